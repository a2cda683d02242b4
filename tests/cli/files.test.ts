// Files that a user names and that cannot be used: every command says the errno, the reason, the
// place and what to do, in words and as JSON alike, and nothing has changed. K57, R164, R200.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileError } from "../../host/file_error.js";
import { createMachine } from "../../host/index.js";
import { inRoot } from "../support/root.js";
import { type Output, payload, Session, scratch } from "./support.js";

const NOBODY = 65_534;
const KEY = inRoot("tests", "cli", "keys", "author.key");

const s = new Session(scratch());
const missing = s.file("missing");
const folder = s.file("folder");
const empty = s.file("empty");
const unreadable = s.file("unreadable");
const through = join(s.file("empty"), "x");
const loop = s.file("loop");
const longName = s.file("n".repeat(300));
mkdirSync(folder);
writeFileSync(empty, "");
writeFileSync(unreadable, "x");
chmodSync(unreadable, 0);
symlinkSync(loop, loop);
after(() => chmodSync(unreadable, 0o600));

interface Said {
  readonly errno: string;
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly place?: string;
  readonly hint?: string;
}

/** The superuser may read everything: such a test looks at it as nobody does. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  const root = process.getuid?.() === 0;
  if (root) process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

/** Runs a command line for people and for scripts; both must say the same. */
async function refused(...args: string[]): Promise<{ said: Said; text: Output }> {
  const { code, value } = await s.json(...args);
  const text = await s.run(...args);
  assert.deepEqual([code, text.code], [1, 1], text.both);
  const { error } = value as { error: Said };
  const kind = `[${error.errno}, ${error.reason}]`;
  const words = `xen-xsplice: ${error.message} ${kind}\n  ${error.hint}\n`;
  assert.ok(text.err.includes(words), `${text.err} lacks ${words}`);
  assert.doesNotMatch(
    text.both + JSON.stringify(value),
    /ENOENT:|EISDIR:|EACCES:|, (open|read|scandir|stat) '|node:/,
  );
  assert.match(error.message, /^\S.*\.$/);
  return { said: error, text };
}

describe("a file that cannot be used", () => {
  const files: [string, string, string, string][] = [
    [missing, "ENOENT", "file-missing", "Could not open"],
    [folder, "EISDIR", "file-is-directory", "Could not map:"],
    [through, "ENOTDIR", "file-not-directory", "Could not open"],
    [loop, "ELOOP", "file-trouble", "Could not open"],
    [longName, "ENAMETOOLONG", "file-trouble", "Could not open"],
    ["/dev/zero", "EFBIG", "file-too-large", "Could not open"],
  ];
  for (const [file, errno, reason, rfc] of files) {
    const name = file.slice(file.lastIndexOf("/") + 1, file.lastIndexOf("/") + 12);
    const judge = ({ said }: { said: Said }): void => {
      assert.deepEqual([said.errno, said.reason, said.place], [errno, reason, file]);
      assert.ok(said.message.includes(file));
    };

    test(`upload ${name}: ${errno}, as the RFC's tool says it, and why`, async () => {
      const { said, text } = await refused("upload", "x", file);
      judge({ said });
      assert.ok(text.err.startsWith(`${rfc} ${file}, error: ${-said.code}(`), text.err);
    });

    test(`${name} for every other command`, async () => {
      if (file !== folder) judge(await refused("load", file));
      judge(await refused("pack", file, "-o", s.file("out")));
      judge(await refused("sign", file, "--key", KEY, "-o", s.file("out")));
      judge(await refused("sign", payload("xsa125"), "--key", file, "-o", s.file("out")));
      judge(await refused("verify-signature", file, "--keys", inRoot("tests", "cli", "keys")));
      judge(await refused("boot", "--image", file));
      judge(await refused("boot", "--policy", file));
      judge(await refused("search", file));
      judge(await refused("compare", "do_xen_version", "--payload", file));
      judge(await refused("verify", payload("xsa125"), "--image", file));
      assert.ok(!readdirSync(s.file(".")).includes("out"));
    });
  }

  test("unreadable: EACCES, file-denied", async () => {
    await s.run("info");
    await asNobody(async () => {
      const { said } = await refused("search", unreadable);
      assert.deepEqual(
        [said.errno, said.reason, said.place],
        ["EACCES", "file-denied", unreadable],
      );
    });
  });

  test("empty: the hypervisor is not asked; EINVAL, size-zero", async () => {
    const { said, text } = await refused("upload", "x", empty);
    assert.deepEqual([said.errno, said.reason, said.place], ["EINVAL", "size-zero", empty]);
    assert.match(text.err, /^Could not map: .*empty, error: 22\(Invalid argument\)/);
    const load = await s.json("load", empty);
    assert.equal((load.value as { error: Said }).error.reason, "size-zero");
  });

  test("verify: a row, with the reason of its own", async () => {
    const { value } = await s.json("verify", missing, folder, empty);
    assert.deepEqual(
      (value as Said[]).map(({ errno, reason }) => [errno, reason]),
      [
        ["ENOENT", "file-missing"],
        ["EISDIR", "file-is-directory"],
        ["EINVAL", "size-zero"],
      ],
    );
  });

  test("what the system says is never lost, whatever it is", () => {
    const rows: [string, string, string][] = [
      ["EACCES", "EACCES", "file-denied"],
      ["EPERM", "EPERM", "file-denied"],
      ["EROFS", "EROFS", "file-denied"],
      ["EEXIST", "EEXIST", "file-exists"],
      ["ENOSPC", "ENOSPC", "file-trouble"],
      ["ERR_FS_FILE_TOO_LARGE", "EFBIG", "file-too-large"],
      ["ESOMETHING", "EIO", "file-trouble"],
    ];
    for (const [code, errno, reason] of rows) {
      const error = fileError(Object.assign(new Error(), { code }), "a  ./b");
      assert.deepEqual([error.errno, error.reason, error.place], [errno, reason, "a  ./b"]);
      assert.ok(error.message.includes("a  ./b"), error.message);
    }
  });
});

describe("R200: `load` of a directory", () => {
  const buildId = async (): Promise<string> =>
    Buffer.from((await createMachine()).info().buildId).toString("hex");
  const nothing = async (directory: string): Promise<void> => {
    const { said } = await refused("load", directory);
    assert.deepEqual([said.errno, said.reason], ["ENOENT", "no-payload-for-build"]);
    assert.equal(said.place, directory);
    assert.ok(said.hint?.includes(await buildId()), said.hint);
    assert.deepEqual((await s.json("list")).value, []);
  };

  test("without a folder for the build, or with an empty one", async () => {
    await nothing(folder);
    mkdirSync(join(folder, "0123456789abcdef"));
    await nothing(folder);
    const mine = join(folder, await buildId());
    mkdirSync(mine);
    await nothing(folder);
    writeFileSync(join(mine, ".hidden"), "no payload: the shell's * does not name it");
    await nothing(folder);
  });

  test("with something in it that is no file, or leads nowhere: nothing is loaded", async () => {
    const mine = join(folder, await buildId());
    copyFileSync(payload("nop-out"), join(mine, "a.xsplice"));
    mkdirSync(join(mine, "b"));
    const { said } = await refused("load", folder);
    assert.deepEqual([said.reason, said.place], ["file-is-directory", join(mine, "b")]);
    rmSync(join(mine, "b"), { recursive: true });
    symlinkSync(missing, join(mine, "b"));
    const gone = await refused("load", folder);
    assert.deepEqual([gone.said.reason, gone.said.place], ["file-missing", join(mine, "b")]);
    unlinkSync(join(mine, "b"));
    assert.deepEqual((await s.json("list")).value, []);
  });

  test("a folder for the build that is a file, and one that may not be looked into", async () => {
    const odd = s.file("odd");
    mkdirSync(odd);
    writeFileSync(join(odd, await buildId()), "");
    const { said } = await refused("load", odd);
    assert.deepEqual([said.errno, said.reason], ["ENOTDIR", "file-not-directory"]);
    const locked = s.file("locked");
    mkdirSync(locked);
    chmodSync(locked, 0);
    chmodSync(s.file("."), 0o777);
    chmodSync(s.machine, 0o666);
    await asNobody(async () => {
      const denied = await refused("load", locked);
      assert.deepEqual([denied.said.errno, denied.said.reason], ["EACCES", "file-denied"]);
    });
    chmodSync(locked, 0o700);
  });

  test("on an image without a build-id: ENODATA, no-build-id", async () => {
    const image = readFileSync(inRoot("images", "mini-xen", "mini-xen"));
    const at = image.indexOf(Buffer.from(`474e5500${await buildId()}`, "hex"));
    assert.ok(at > 0);
    image.write("NOT", at);
    const bare = s.file("bare");
    writeFileSync(bare, image);
    const other = new Session(scratch());
    const booted = await other.json("boot", "--image", bare);
    assert.deepEqual((booted.value as { build_id: string }).build_id, "");
    const { value } = await other.json("load", folder);
    const { errno, reason } = (value as { error: Said }).error;
    assert.deepEqual([errno, reason], ["ENODATA", "no-build-id"]);
  });
});

describe("a file that cannot be written", () => {
  const sign = (output: string) => refused("sign", payload("xsa125"), "--key", KEY, "-o", output);

  test("a directory, a path that is none, a full device", async () => {
    assert.equal((await sign(folder)).said.reason, "file-is-directory");
    assert.equal((await sign(join(missing, "x"))).said.reason, "file-missing");
    assert.equal((await sign(through)).said.reason, "file-not-directory");
    const { said } = await sign("/dev/full");
    assert.deepEqual([said.errno, said.reason], ["ENOSPC", "file-trouble"]);
  });

  test("a device stays a device, and a link leads where it led", async () => {
    const { code } = await s.run("sign", payload("xsa125"), "--key", KEY, "-o", "/dev/null");
    assert.equal(code, 0);
    assert.equal(readFileSync("/dev/null").length, 0);
    const [link, target] = [s.file("link"), s.file("target")];
    writeFileSync(target, "old");
    symlinkSync(target, link);
    assert.equal((await s.run("sign", payload("xsa125"), "--key", KEY, "-o", link)).code, 0);
    assert.deepEqual(readFileSync(target), readFileSync(link));
    assert.ok(readFileSync(target).length > 1000);
    const left = readdirSync(s.file(".")).filter((name) => /^(link|target)./.test(name));
    assert.deepEqual(left, []);
  });
});

describe("the machine's own file", () => {
  test("a device, a directory, a place that cannot be: exit 3, and why", async () => {
    const rows: [string, string, string][] = [
      ["/dev/null", "EINVAL", "machine-file-format"],
      [folder, "EISDIR", "file-is-directory"],
      [join(empty, "machine"), "ENOTDIR", "file-not-directory"],
      [empty, "EINVAL", "machine-file-format"],
    ];
    for (const [file, errno, reason] of rows) {
      for (const command of [["info"], ["list"]]) {
        const { code, value } = await s.json(...command, "-m", file);
        const { error } = value as { error: Said };
        assert.deepEqual([code, error.errno, error.reason], [3, errno, reason], file);
        const text = await s.run(...command, "-m", file);
        assert.ok(text.err.includes(`[${errno}, ${reason}]\n  ${error.hint}`), text.err);
        assert.ok(text.err.includes(file), text.err);
      }
    }
    const boot = await s.json("boot", "-m", "/dev/null");
    assert.equal(boot.code, 3);
    assert.equal(readFileSync("/dev/null").length, 0);
  });

  test("a full disk: exit 3, the older machine stays, nothing is left", async () => {
    const other = new Session(scratch());
    assert.equal((await other.run("upload", "a", payload("nop-out"))).code, 0);
    const older = readFileSync(other.machine);
    // A limit on the size of files is met as a full disk is: what fits is written, then no more.
    const script = 'trap "" XFSZ; ulimit -f 200; exec "$@"';
    const program = [
      process.execPath,
      inRoot("dist", "host", "cli", "main.js"),
      "key",
      "x",
      "--json",
    ];
    const env = { ...process.env, XEN_XSPLICE_MACHINE: other.machine };
    const { status, stdout } = spawnSync("sh", ["-c", script, "sh", ...program], { env });
    const { error } = JSON.parse(stdout.toString()) as { error: Said };
    assert.deepEqual([status, error.errno, error.place], [3, "EFBIG", other.machine]);
    assert.deepEqual(readFileSync(other.machine), older);
    assert.deepEqual(readdirSync(other.file(".")), ["machine"]);
  });

  test("through a symbolic link it is the same machine with the same lock", async () => {
    const other = new Session(scratch());
    const link = other.file("link");
    symlinkSync(other.machine, link);
    assert.equal((await other.run("upload", "a", payload("nop-out"))).code, 0);
    assert.equal((await other.run("upload", "b", payload("xsa125"), "-m", link)).code, 0);
    const { value } = await other.json("list");
    assert.deepEqual(
      (value as { id: string }[]).map(({ id }) => id),
      ["a", "b"],
    );
    assert.deepEqual(readdirSync(other.file(".")).sort(), ["link", "machine"]);
  });
});
