// Where a function begins and ends: by the image's symbols, in the machine's own entries, and in
// what the layers above have loaded.

import { entry_piece_at, entry_piece_size, entry_piece_va } from "./entry_page";
import { run_function_hook } from "./hooks";
import { NO_SYMBOL, symbol, symbol_at } from "./symbols";

// What find_function() found last.
export let function_va: u64 = 0;
export let function_size: u64 = 0;

function found(va: u64, size: u64): bool {
  function_va = va;
  function_size = size;
  return true;
}

/** The outermost symbol over `va` is the function: others inside are parts of it. */
function find_in_image(va: u64): bool {
  let index = symbol_at(va);
  if (index < 0) return false;
  while (symbol(<u32>index).parent != NO_SYMBOL) {
    const outer = symbol(symbol(<u32>index).parent);
    if (va - outer.va >= outer.size) break;
    index = <i32>symbol(<u32>index).parent;
  }
  const s = symbol(<u32>index);
  return va - s.va < s.size && found(s.va, s.size);
}

/** Finds the function that `va` belongs to. False: none. */
export function find_function(va: u64): bool {
  if (find_in_image(va)) return true;
  const piece = entry_piece_at(va);
  if (piece >= 0) return found(entry_piece_va(piece), entry_piece_size(piece));
  const loaded = run_function_hook(va);
  return loaded != 0 && found(load<u64>(loaded), load<u64>(loaded, 8));
}
