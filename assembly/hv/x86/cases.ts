// The cases of the executor's switch: frequent instructions with their operands and width fixed.
// Dense, and the arithmetic ones in an order that lower.ts computes with: operation, form, width.
//
//   R  register    I  immediate    M  memory (base + index + displacement)
//   D  memory (base + displacement)
//   first letter is the destination

// prettier-ignore
export const enum Case {
  Generic, // by Insn.id
  Next, // the end of a block that did not branch
  // Arithmetic: 10 for each operation
  AddRR32, AddRR64, AddRI32, AddRI64, AddRM32, AddRM64, AddMR32, AddMR64, AddMI32, AddMI64,
  SubRR32, SubRR64, SubRI32, SubRI64, SubRM32, SubRM64, SubMR32, SubMR64, SubMI32, SubMI64,
  AndRR32, AndRR64, AndRI32, AndRI64, AndRM32, AndRM64, AndMR32, AndMR64, AndMI32, AndMI64,
  OrRR32, OrRR64, OrRI32, OrRI64, OrRM32, OrRM64, OrMR32, OrMR64, OrMI32, OrMI64,
  XorRR32, XorRR64, XorRI32, XorRI64, XorRM32, XorRM64, XorMR32, XorMR64, XorMI32, XorMI64,
  CmpRR32, CmpRR64, CmpRI32, CmpRI64, CmpRM32, CmpRM64, CmpMR32, CmpMR64, CmpMI32, CmpMI64,
  TestRR32, TestRR64, TestRI32, TestRI64, TestRM32, TestRM64, TestMR32, TestMR64, TestMI32,
  TestMI64,
  // ... on bytes
  AddRR8, AddRI8, AddRM8, SubRR8, SubRI8, SubRM8,
  AndRR8, AndRI8, AndRM8, AndMR8, AndMI8, OrRR8, OrRI8, OrRM8, OrMR8, OrMI8, XorRR8, XorRI8, XorRM8,
  CmpRR8, CmpRI8, CmpRM8, CmpMR8, CmpMI8, TestRR8, TestRI8, TestMR8, TestMI8,
  Zero, Inc32, Inc64, Dec32, Dec64, Neg32, Neg64, Not32, Not64,
  Shl32, Shl64, Shr32, Shr64, Sar32, Sar64, Rol32, Rol64,
  ImulRR32, ImulRR64, ImulRM32, ImulRM64, ImulRI32, ImulRI64,
  // Moves
  MovRR64, MovRR32, MovRR8, MovRI, MovRI8,
  Load64, Load32, Load8, Load64D, Load32D,
  Store64, Store32, Store16, Store8, Store64D, Store32D, StoreI64, StoreI32, StoreI16, StoreI8,
  Zx8R, Zx16R, Zx8M, Zx16M,
  Sx8R32, Sx8R64, Sx16R32, Sx16R64, Sx32R64, Sx8M32, Sx8M64, Sx16M32, Sx16M64, Sx32M64,
  Lea64, Lea64D, Lea32, Cdqe, Cwde, Cqo, Cdq,
  Setcc, Cmov32, Cmov64,
  // Stack and branches
  Push, PushI, Pop, Leave,
  Jmp, JmpR, JmpM, Call, CallR, CallM, Ret,
  Jcc, JccResult, JccSub,
  // A comparison and the branch behind it, which is the next record
  CmpJccRR32, CmpJccRR64, CmpJccRI32, CmpJccRI64, CmpJccRM32, CmpJccRM64, CmpJccMI32, CmpJccMI64,
  CmpJccRR8, CmpJccRI8, CmpJccMI8,
  TestJccRR32, TestJccRR64, TestJccRR8, TestJccRI8, TestJccMI8,
}
