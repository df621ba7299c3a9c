import { program } from "../../util/version.ts";

/* What the executables consist of, as CycloneDX 1.5: https://cyclonedx.org/docs/1.5/json/ */

/** Entries of process.versions that name no part of Bun, but what it is compatible with. */
const COMPATIBLE = new Set(["node", "bun", "v8", "uv", "napi", "modules", "openssl", "unicode"]);

/**
 * @param version of this program
 * @param parts Bun's version and those of its parts: process.versions of the Bun that builds
 * @param seconds when it was made, since 1970
 */
export function sbom(version: string, parts: Record<string, string>, seconds: number): string {
  const bun = parts.bun ?? "";
  const components = Object.entries(parts)
    .filter(([name]) => !COMPATIBLE.has(name))
    .map(([name, version]) => ({
      type: "library",
      "bom-ref": `${name}@${version}`,
      name,
      version,
    }));
  const bunReference = `pkg:github/oven-sh/bun@bun-v${bun}`;
  const own = `pkg:generic/${program}@${version}`;
  const document = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      timestamp: new Date(seconds * 1000).toISOString(),
      component: {
        type: "application",
        "bom-ref": own,
        name: program,
        version,
        purl: own,
        licenses: [{ license: { id: "BSD-3-Clause" } }],
      },
    },
    components: [
      {
        type: "framework",
        "bom-ref": bunReference,
        name: "bun",
        version: bun,
        purl: bunReference,
      },
      ...components,
    ],
    dependencies: [
      { ref: own, dependsOn: [bunReference] },
      { ref: bunReference, dependsOn: components.map((component) => component["bom-ref"]) },
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
