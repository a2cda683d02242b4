/* Replaces a function whose only caller has it inlined: the new one is never reached. */
#include "mini.h"
XSP_KEEP void inlined_spin_unlock(volatile u32 *lock) { *lock = 0; }
MINI_REPLACE(spin_unlock, 7, inlined_spin_unlock);
