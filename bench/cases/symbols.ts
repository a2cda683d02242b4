// Symbol look-ups through the core's exports, as explanations and the command line make them, among
// 200,000 symbols.

import { createMachine, type Machine } from "../../host/index.js";
import { image } from "../generate.js";
import { alternate, type Row, rate, timed } from "../measure.js";

const SYMBOLS = 200_000;
const COUNT = 100_000;

/** The raw exports: what is measured is the core, not the objects that the library makes. */
interface Raw {
  hv_symbol_at(va: bigint): number;
  hv_symbol_lookup(length: number): number;
}

function rawOf(machine: Machine): { exports: Raw; window: Uint8Array } {
  const core = Reflect.get(machine, "core") as { window(): Uint8Array };
  return { exports: Reflect.get(core, "exports") as Raw, window: core.window() };
}

export async function symbols(): Promise<Row[]> {
  const machine = await createMachine({ image: image(SYMBOLS) });
  const all = [...machine.symbols];
  const { exports, window } = rawOf(machine);
  const picked = Array.from({ length: COUNT }, (_, i) => all[(i * 7919) % all.length]);
  const vas = picked.map((symbol) => BigInt.asIntN(64, symbol?.va ?? 0n));
  const names = picked.map((symbol) => new TextEncoder().encode(symbol?.name));
  const byName = () =>
    timed(() => {
      let found = 0;
      for (const name of names) {
        window.set(name);
        if (exports.hv_symbol_lookup(name.length) > 0) found++;
      }
      if (found !== COUNT) throw new Error(`${COUNT - found} names were not found`);
    });
  const byAddress = () =>
    timed(() => {
      let found = 0;
      for (const va of vas) if (exports.hv_symbol_at(va) >= 0) found++;
      if (found !== COUNT) throw new Error(`${COUNT - found} addresses were not found`);
    });
  const note = `${all.length} symbols, through the exports`;
  return [
    rate("symbol-by-name", "M/s", COUNT, await alternate(15, byName), note),
    rate("symbol-by-address", "M/s", COUNT, await alternate(15, byAddress), note),
  ];
}
