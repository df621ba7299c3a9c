/** Seeds whose runs failed once; each is run again, over the store that it failed on. */
export const FAILED: readonly number[] = [140, 2084, 2090];
