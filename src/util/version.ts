import manifest from "../../package.json" with { type: "json" };

export const program = "memcacheq";

/** The release, such as `1.0.0`; the bundler puts it into the executable. */
export const version: string = manifest.version;
