// One action of the command line against a hypervisor that is made up: it answers what a script
// says, so that a tool meets every state, also those that only a slow or broken one shows.

import * as abi from "../../host/abi.js";
import { type ActionName, Attempt, type Client } from "../../host/cli/actions.js";
import { Context } from "../../host/cli/context.js";
import { XenError } from "../../host/error.js";

/** An error as the client library throws it. */
export const error = (errno: number): XenError => XenError.of(errno, abi.REASON_NONE);

type Answer = number | XenError;

export interface Script {
  /** What GET answers, one after the other; the last one for ever. */
  readonly states: readonly Answer[];
  /** What the action itself answers. */
  readonly refused?: XenError;
}

export interface Played {
  readonly code: number;
  readonly out: string;
  readonly issued: readonly string[];
  readonly seconds: number;
  /** The reason on stderr. */
  readonly reason: string | undefined;
  /** What was printed, `<name>` where the action was asked for, `<1000 ms>` where time passed. */
  readonly course: string;
}

/** Runs the action on payload `foo`. */
export async function play(name: ActionName, { states, refused }: Script): Promise<Played> {
  let out = "";
  let course = "";
  const issued: string[] = [];
  let polls = 0;
  let ns = 0n;
  const env = {};
  const take = (text: string): void => {
    out += text;
    course += text;
  };
  let reason: string | undefined;
  const err = (text: string): void => {
    reason = /\[E[A-Z]+, ([a-z-]+)\]/.exec(text)?.[1] ?? reason;
  };
  const io = { out: take, err, env, outIsTerminal: false, errIsTerminal: false };
  const act = (action: string) => async (): Promise<void> => {
    issued.push(action);
    course += `<${action}>`;
    if (refused) throw refused;
  };
  const client: Client = {
    async get(id) {
      const answer = states[Math.min(polls++, states.length - 1)] as Answer;
      if (answer instanceof XenError) throw answer;
      return { id, status: answer };
    },
    failed: (_id, status) => error(-status),
    apply: act("apply"),
    revert: act("revert"),
    unload: act("unload"),
    check: act("check"),
  };
  const machine = {
    run(options: { ns?: bigint | number }) {
      const passed = BigInt(options.ns ?? 0);
      ns += passed;
      course += `<${passed / 1_000_000n} ms>`;
      return { instructions: 1n, timeNs: passed, stop: "time" };
    },
  };
  const attempt = new Attempt(new Context(io, false), machine, client, name, "foo");
  const code = await attempt.perform({ timeMs: 0 });
  return { code, out, issued, seconds: Number(ns / 1_000_000_000n), reason, course };
}
