/** One turn sets about so many bytes, and has so many operations that are not put together with others. */
export const BUDGET_BYTES = 1024 * 1024;
export const MAX_SINGLES = 256;
/** Bytes of bodies in a segment, unless one body is longer. */
export const MAX_SEGMENT = 256 * 1024;
