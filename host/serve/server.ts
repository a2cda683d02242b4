// Keeps a machine for client programs: each connects to a socket and makes hypercalls, one at a
// time in the order in which they arrive. Between two of them the machine's clock follows the wall
// clock, as a hypervisor's would: what an action left to be done is done while its client sleeps.

import { createServer, type Server, type Socket } from "node:net";
import type { Machine } from "../machine.js";
import { type ClientMemory, makeHypercall } from "./hypercall.js";
import {
  encodeFrame,
  FRAME_ANSWER,
  FRAME_HYPERCALL,
  FRAME_READ,
  FRAME_RESULT,
  FRAME_WRITE,
  type Frame,
  FrameReader,
  HYPERCALL_ARGS,
  u64s,
} from "./protocol.js";

/** The machine never runs further than this at once to catch up with the wall clock. */
const CATCH_UP_NS = 1_000_000_000n;

export interface Serving {
  /** Disconnects everybody; the socket is gone afterwards. */
  close(): Promise<void>;
}

/** One client: its stream, and its memory as its stream shows it. */
class Client implements ClientMemory {
  private readonly reader = new FrameReader();
  private answer: ((body: Buffer | undefined) => void) | undefined;

  constructor(
    private readonly socket: Socket,
    private readonly onHypercall: (client: Client, body: Buffer) => void,
  ) {
    socket.on("data", (piece: Buffer) => this.receive(piece));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.answer?.(undefined));
  }

  private receive(piece: Buffer): void {
    try {
      for (const frame of this.reader.push(piece)) this.dispatch(frame);
    } catch {
      this.socket.destroy();
    }
  }

  private dispatch({ type, body }: Frame): void {
    if (type === FRAME_ANSWER && this.answer && body.length >= 4) {
      const resolve = this.answer;
      this.answer = undefined;
      resolve(body);
    } else if (type === FRAME_HYPERCALL && !this.answer && body.length === 8 + 8 * HYPERCALL_ARGS) {
      this.onHypercall(this, body);
    } else {
      throw new Error(`frame ${type} out of turn`);
    }
  }

  private ask(type: number, ...parts: readonly Uint8Array[]): Promise<Buffer | undefined> {
    if (this.socket.destroyed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.answer = resolve;
      this.socket.write(encodeFrame(type, ...parts));
    });
  }

  async read(va: bigint, length: number): Promise<Uint8Array | undefined> {
    const answer = await this.ask(FRAME_READ, u64s(va, BigInt(length)));
    if (answer?.readUInt32LE(0) !== 0 || answer.length !== 4 + length) return undefined;
    return answer.subarray(4);
  }

  async write(va: bigint, bytes: Uint8Array): Promise<boolean> {
    const answer = await this.ask(FRAME_WRITE, u64s(va), bytes);
    return answer?.readUInt32LE(0) === 0;
  }

  finish(result: bigint): void {
    if (!this.socket.destroyed) this.socket.write(encodeFrame(FRAME_RESULT, u64s(result)));
  }
}

/**
 * Listens at `path`. @param onError told of a hypercall that failed by a fault of ours or the
 * image's
 */
export async function serve(
  machine: Machine,
  path: string,
  onError: (error: Error) => void,
): Promise<Serving> {
  const sockets = new Set<Socket>();
  let queue = Promise.resolve();
  let last = process.hrtime.bigint();

  const follow = (): void => {
    const now = process.hrtime.bigint();
    const ns = now - last;
    last = now;
    if (ns > 0n) machine.run({ ns: ns < CATCH_UP_NS ? ns : CATCH_UP_NS });
  };
  const perform = async (client: Client, body: Buffer): Promise<void> => {
    const word = (i: number): bigint => body.readBigUInt64LE(8 * i);
    const args = Array.from({ length: HYPERCALL_ARGS }, (_, i) => word(i + 1));
    try {
      follow();
      client.finish(await makeHypercall(machine, client, word(0), args));
    } catch (error) {
      onError(error as Error);
      const { code } = error as { code?: unknown };
      client.finish(typeof code === "number" && code < 0 ? BigInt(code) : -5n);
    }
  };
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    new Client(socket, (client, body) => {
      queue = queue.then(() => perform(client, body));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
      await queue;
    },
  };
}
