// `verify-signature`: whether a machine that has these keys would accept a payload's signature.

import { verifyPayload } from "../elf/sign.js";
import { optionText } from "./arguments.js";
import { type Command, UsageError } from "./command.js";
import { hexBytes } from "./format.js";
import { readKeys } from "./keys.js";

export const command: Command = {
  usage: "verify-signature <payload>",
  options: [["--keys <dir>", "*.pem, *.crt, *.cer, *.der"]],
  async run(ctx, [payload = ""], options) {
    const directory = optionText(options.keys, "--keys");
    if (directory === undefined) throw new UsageError("verify-signature needs --keys");
    const { key, hash, signer } = verifyPayload(await ctx.readFile(payload), readKeys(directory));
    const by = signer === "" ? "" : ` by ${signer}`;
    ctx.print(`${payload}: good signature${by} (${hash}, key ${hexBytes(key.id)} of ${key.file})`);
    ctx.result({ file: payload, hash, key: hexBytes(key.id), key_file: key.file, signer });
    return 0;
  },
};
