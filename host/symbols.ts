// The image's symbols as people write them: `name`, `file.c#name`, either with `+0x10` or `-8`
// behind it, or a plain address. Lookup is the core's; this file parses and words the answers.

import * as abi from "./abi.js";
import { XenError } from "./error.js";

/** A symbol of the image. */
export interface ImageSymbol {
  readonly name: string;
  readonly va: bigint;
  /** Bytes, as st_size says. */
  readonly size: bigint;
  /** `func`, `object`, `notype` …: STT_*. */
  readonly type: string;
  /** `local`, `global`, `weak`: STB_*. */
  readonly bind: string;
  /** Source file of a local symbol (STT_FILE); undefined when unknown. */
  readonly file: string | undefined;
  /** Bytes up to the next symbol: size plus padding (R187). */
  readonly room: bigint;
}

/** An address near a symbol. */
export interface SymbolOffset {
  readonly symbol: ImageSymbol;
  readonly offset: bigint;
}

/** What the table is read from. */
export interface SymbolSource {
  count(): number;
  info(index: number): ImageSymbol;
  /** Indices of the symbols with this name, 16 at most, and how many there are. */
  lookup(name: string): { readonly count: number; readonly indices: readonly number[] };
  /** Index of the symbol at or below an address, -1 for none. */
  at(va: bigint): number;
  /** The symbol of a payload (R196), or of the machine's own entries, that covers an address. */
  payloadSymbol(va: bigint): PayloadSymbol | undefined;
}

/** A symbol that the image has not. */
export interface PayloadSymbol {
  /** Id of the payload, or `machine`. */
  readonly owner: string;
  readonly name: string;
  /** Of the address from the symbol. */
  readonly offset: bigint;
}

const named = (name: string, offset: bigint): string =>
  offset === 0n ? name : `${name}+0x${offset.toString(16)}`;

/** What a user wrote, taken apart. */
export interface SymbolExpression {
  /** Name, with `file.c#` when given; undefined for a plain address. */
  readonly name: string | undefined;
  /** Offset from the symbol, or the address itself. */
  readonly offset: bigint;
}

const NUMBER = /^(0x[0-9a-f]{1,16}|\d{1,20})$/i;
const EXPRESSION = /^(.+?)(?:([+-])(0x[0-9a-f]{1,16}|\d{1,20}))?$/i;

/** Takes `name`, `file.c#name`, `name+0x10` or an address apart; undefined for an empty text. */
export function parseSymbol(text: string): SymbolExpression | undefined {
  const trimmed = text.trim();
  if (NUMBER.test(trimmed)) return { name: undefined, offset: BigInt(trimmed) };
  const match = EXPRESSION.exec(trimmed);
  if (!match) return undefined;
  const [, name, sign, digits] = match;
  const offset = digits === undefined ? 0n : BigInt(digits);
  return { name, offset: sign === "-" ? -offset : offset };
}

const STT: readonly string[] = ["notype", "object", "func", "section", "file", "common", "tls"];
const STB: readonly string[] = ["local", "global", "weak"];

/** `func` of STT_FUNC. */
export function symbolType(type: number): string {
  return STT[type] ?? (type === 10 ? "ifunc" : `type-${type}`);
}

/** `global` of STB_GLOBAL. */
export function symbolBind(bind: number): string {
  return STB[bind] ?? `bind-${bind}`;
}

export class Symbols implements Iterable<ImageSymbol> {
  constructor(private readonly source: SymbolSource) {}

  get size(): number {
    return this.source.count();
  }

  /** All symbols, by ascending address. */
  *[Symbol.iterator](): Iterator<ImageSymbol> {
    for (let i = 0, count = this.source.count(); i < count; i++) yield this.source.info(i);
  }

  /** The symbols with a name (`name` or `file.c#name`), by ascending address. */
  find(name: string): ImageSymbol[] {
    return this.source.lookup(name).indices.map((index) => this.source.info(index));
  }

  /** The symbol that an address belongs to, padding included; undefined when there is none. */
  at(va: bigint): SymbolOffset | undefined {
    const index = this.source.at(va);
    if (index < 0) return undefined;
    const symbol = this.source.info(index);
    return { symbol, offset: va - symbol.va };
  }

  /**
   * `do_xen_version+0x10` of an address, `fixed_version+0x10 [payload]` of one in a payload;
   * undefined when no symbol is near.
   */
  nameOf(va: bigint): string | undefined {
    const near = this.at(va);
    if (near) return named(near.symbol.name, near.offset);
    const symbol = this.source.payloadSymbol(va);
    return symbol && `${named(symbol.name, symbol.offset)} [${symbol.owner}]`;
  }

  /**
   * The address of `name`, `file.c#name`, `name+0x10`, or of an address.
   * @throws XenError `sym-missing`, `sym-ambiguous` (with the candidates), `bad-address`
   */
  resolve(target: string | bigint | number): bigint {
    if (typeof target !== "string") return this.address(BigInt(target));
    const expression = parseSymbol(target);
    if (expression?.name === undefined) {
      if (expression) return this.address(expression.offset);
      throw XenError.of(abi.ENOENT, abi.REASON_SYM_MISSING, { name: target });
    }
    const { name, offset } = expression;
    const { count, indices } = this.source.lookup(name);
    const places = new Set(indices.map((index) => this.source.info(index).va));
    const [va] = places;
    if (va === undefined) throw XenError.of(abi.ENOENT, abi.REASON_SYM_MISSING, { name });
    if (places.size > 1 || count > indices.length) {
      const candidates = [...places];
      const operands = { name, candidates, candidateCount: Math.max(count, candidates.length) };
      throw XenError.of(abi.EINVAL, abi.REASON_SYM_AMBIGUOUS, operands);
    }
    return this.address(va + offset);
  }

  private address(va: bigint): bigint {
    if (BigInt.asUintN(64, va) === va) return va;
    throw XenError.of(abi.EINVAL, abi.REASON_BAD_ADDRESS, { va: BigInt.asUintN(64, va) });
  }
}
