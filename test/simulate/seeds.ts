/** Seeds whose runs failed once; each is run again, over the store that it failed on. */
export const FAILED: readonly number[] = [140, 487, 885, 893, 1487, 2084, 2090];
