/** A column: its title, and whether it lines up on the right, as numbers do. */
export type Column = { title: string; width: number; right: boolean };

/** The title line. */
export function header(columns: Column[]): string {
  return line(
    columns,
    columns.map((column) => column.title),
  );
}

/** One line of cells, in the columns' order; what follows the last column is appended as it is. */
export function line(columns: Column[], cells: string[], note = ""): string {
  const padded = columns.map(({ width, right }, i) => {
    const cell = cells[i] ?? "";
    return right ? cell.padStart(width) : cell.padEnd(width);
  });
  return `${padded.join("  ")}${note === "" ? "" : `  ${note}`}`.trimEnd();
}
