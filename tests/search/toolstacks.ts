// Toolstacks that do more than actions: one that uploads, one that lists as libxc does.

import * as abi from "../../host/abi.js";
import type { Allocate } from "../../host/guest.js";
import type { Machine } from "../../host/machine.js";
import type { Answer, Request, Toolstack } from "../../host/search/toolstack.js";
import { decode } from "../../host/struct.js";
import {
  decodeId,
  encodeId,
  type ListOp,
  marshal,
  summaryCodec,
  unmarshal,
} from "../../host/sysctl.js";
import { XenControl } from "../../host/xc.js";

const wire = (id: string): Uint8Array => encodeId(id) ?? new Uint8Array();

/** Uploads a file under an id, once. */
export function uploader(id: string, file: Uint8Array, allocate: Allocate): Toolstack {
  const { va } = allocate(file);
  const size = BigInt(file.length);
  const sysctl = marshal({ op: "upload", id: wire(id), size, payload: va });
  return { next: (answers) => (answers.length === 0 ? { sysctl } : undefined) };
}

/** Makes one sysctl of an action. */
export function asker(id: string, cmd: number): Toolstack {
  const sysctl = marshal({ op: "action", id: wire(id), cmd, time: 0n });
  return { next: (answers) => (answers.length === 0 ? { sysctl } : undefined) };
}

/** What a lister has read so far: R144-R150, from one answer to the next. */
interface Reading {
  readonly version: number | undefined;
  readonly ids: readonly string[];
  readonly over: boolean;
}

function readOne({ version, ids }: Reading, { rc, sysctl, read }: Answer): Reading {
  const op = unmarshal(sysctl) as ListOp;
  const over = rc <= 0 || op.nr === 0;
  // R115: what was read of another list is thrown away.
  if (version !== undefined && version !== op.version) {
    return { version: op.version, ids: [], over: false };
  }
  const more = rc > 0 && read ? [decodeId(decode(summaryCodec, read).id)] : [];
  return { version: op.version, ids: [...ids, ...more], over };
}

const NOTHING: Reading = { version: undefined, ids: [], over: false };

/** The list that a lister has come to. */
export const listed = (answers: readonly Answer[]): readonly string[] =>
  answers.reduce(readOne, NOTHING).ids;

/** Lists everything, one entry a call. */
export function lister(allocate: Allocate): Toolstack {
  const { va } = allocate(summaryCodec.size);
  const request = (idx: number): Request => ({
    sysctl: marshal({ op: "list", version: 0, idx, nr: 1, summary: va }),
    reads: { va, length: summaryCodec.size },
  });
  return {
    next(answers) {
      const { ids, over } = answers.reduce(readOne, NOTHING);
      return over ? undefined : request(ids.length);
    },
  };
}

/** Actions on one payload, for searches of a test's own. */
export const actor = {
  id: "acted-on",

  /** Loads a payload; it is CHECKED. Returns its id. */
  async load(machine: Machine, file: Uint8Array): Promise<string> {
    const control = new XenControl(machine);
    machine.run({ ns: 20_000n });
    await control.upload(actor.id, file);
    await control.checkAndWait(actor.id);
    return actor.id;
  },

  /** Asks for one action and waits for its end. */
  asks(id: string, cmd: number): Toolstack {
    const sysctl = marshal({ op: "action", id: wire(id), cmd, time: 2n });
    const settles = cmd === abi.XSPLICE_ACTION_UNLOAD ? {} : { settles: id };
    return { next: (answers) => (answers.length === 0 ? { sysctl, ...settles } : undefined) };
  },

  /** Makes the sysctl at once; whatever is answered. */
  act(machine: Machine, id: string, cmd: number): number {
    return machine.sysctl(marshal({ op: "action", id: wire(id), cmd, time: 0n }));
  },

  /** The domctl guests' loop becomes so long that nobody waits for its end. */
  endless(machine: Machine): void {
    const AMOUNT = 0x400000n + 0x60n + 0x14n + 3n;
    machine.write(AMOUNT, new Uint8Array([0x80, 0x96, 0x98, 0x00]), { domain: 0 });
  },
};
