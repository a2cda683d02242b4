// `pack <object> -o <payload>`: a plain object file becomes a payload (see elf/pack.ts).

import { pack } from "../elf/pack.js";
import { optionText } from "./arguments.js";
import { type Command, UsageError } from "./command.js";

export const command: Command = {
  usage: "pack <object>",
  options: [["-o, --output <payload>", "the file to write"]],
  async run(ctx, [object = ""], options) {
    const output = optionText(options.output, "--output");
    if (output === undefined) throw new UsageError("pack needs -o <payload>");
    const packed = pack(await ctx.readFile(object));
    await ctx.writeFile(output, packed.bytes);
    const bytes = packed.bytes.length;
    const { name, patches, kept, dropped } = packed;
    ctx.print(`${output}: payload "${name}", ${patches} patches, ${bytes} bytes`);
    ctx.print(`  kept    ${kept.join(" ")}`);
    if (dropped.length > 0) ctx.print(`  dropped ${dropped.join(" ")}`);
    ctx.result({ file: output, bytes, patches, name, kept, dropped });
    return 0;
  },
};
