/*
 * Work of one operation, compared with that of a set or a plain get. A session adds only so much work to a group: see
 * gather.ts.
 */

export const PLAIN = 1;
/** It examines or drops one queue, or lists the general statistics. */
export const LOOK = 4;
/** It may read the message from the disk each time. */
export const PEEK = 8;
/** A checkpoint, or a part of a request that goes through all queues. */
export const WIDE = 16;
