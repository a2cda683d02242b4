// `key <char>`: presses a key on the hypervisor's console and shows what it prints; x is the
// RFC's dump of payloads (R137-R139).

import { ENOENT } from "../../assembly/abi.js";
import { REASON_NO_KEY_HANDLER } from "../../assembly/reasons.js";
import { XenError } from "../error.js";
import { type Command, UsageError } from "./command.js";

export const command: Command = {
  usage: "key <char>",
  async run(ctx, [char = ""]) {
    if (char.length !== 1 || char > "~") throw new UsageError(`"${char}" is not one key`);
    const machine = await ctx.changing();
    const before = machine.console().length;
    if (!machine.key(char)) throw XenError.of(ENOENT, REASON_NO_KEY_HANDLER, { name: char });
    machine.run({ ns: 1_000_000n });
    const lines = machine.console().slice(before);
    for (const line of lines) ctx.print(line);
    ctx.result(lines);
    return 0;
  },
};
