/**
 * What must not compile. Nothing runs this file: `bun check` fails when one of these errors does not come.
 */
import { type ActionFlag } from "../../src/config/actions.ts";
import { limit, type Option, optional, toggle, withDefault } from "../../src/config/option.ts";
import { type OptionTable, optionTable } from "../../src/config/options.ts";
import { port, text } from "../../src/config/values.ts";

const { port: row, ...otherRows } = optionTable;
const { help, ...rowWithoutHelp } = row;

// @ts-expect-error: an option needs a row.
export const withoutRow: OptionTable = otherRows;

// @ts-expect-error: a row needs a help text.
export const withoutHelp: OptionTable = { ...otherRows, port: rowWithoutHelp };

// @ts-expect-error: the help text is not empty.
export const emptyHelp: Option<number> = { ...rowWithoutHelp, help: "" };

// @ts-expect-error: a row has the type of its option.
export const otherType: OptionTable = { ...otherRows, port: optionTable.home };

export const complete: OptionTable = { ...otherRows, port: { ...rowWithoutHelp, help } };

export function rowsWithoutHelp(): unknown[] {
  return [
    // @ts-expect-error: it needs a help text.
    withDefault("-x <num>", port(), "1"),
    // @ts-expect-error: the help text is not empty.
    withDefault("-x <num>", "", port(), "1"),
    // @ts-expect-error: it needs a help text.
    optional("-x <path>", text("a path")),
    // @ts-expect-error: it needs a help text.
    limit("-x <num>", port()),
    // @ts-expect-error: it needs a help text.
    toggle("-x"),
    // @ts-expect-error: the help text is not empty.
    toggle("-x", ""),
  ];
}

// @ts-expect-error: an action needs a help text, too.
export const actionWithoutHelp: ActionFlag = { name: "-x", action: "help" };
