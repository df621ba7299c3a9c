/** A group is committed after so many milliseconds of execution, or so many bytes set, taken, moved or loaded. */
export const BUDGET_MS = 2;
export const BUDGET_BYTES = 1024 * 1024;
