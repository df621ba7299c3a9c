/** Seeds whose runs failed once; each is run again, over the store that it failed on. */
export const FAILED: readonly number[] = [];
