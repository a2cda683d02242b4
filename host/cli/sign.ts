// `sign`: appends the RFC's signature trailer to a payload (R72-R79).

import { readPrivateKey } from "../elf/keys.js";
import { signPayload } from "../elf/sign.js";
import { ACCEPTED_HASHES, isAcceptedHash } from "../elf/signature.js";
import { optionText } from "./arguments.js";
import { type Command, UsageError } from "./command.js";

export const command: Command = {
  usage: "sign <payload>",
  options: [
    ["--key <pem>", "private RSA key"],
    ["--hash <name>", `${ACCEPTED_HASHES.join(", ")} (sha256)`],
    ["--signer <name>", "common name of the certificate; none is written without"],
    ["-o, --output <file>", "the file to write"],
  ],
  async run(ctx, [payload = ""], options) {
    const output = optionText(options.output, "--output");
    const key = optionText(options.key, "--key");
    const hash = optionText(options.hash, "--hash") ?? "sha256";
    if (output === undefined || key === undefined) throw new UsageError("sign needs --key and -o");
    if (!isAcceptedHash(hash))
      throw new UsageError(`--hash: ${hash} is none of ${ACCEPTED_HASHES.join(", ")}`);
    const signer = optionText(options.signer, "--signer");
    const privateKey = readPrivateKey(await ctx.readFile(key), key);
    const signed = signPayload(await ctx.readFile(payload), { key: privateKey, hash, signer });
    await ctx.writeFile(output, signed);
    ctx.print(`${output}: signed with RSA and ${hash}, ${signed.length} bytes`);
    ctx.result({ file: output, bytes: signed.length });
    return 0;
  },
};
