// Entry: the payload loader, from the bytes of a file to memory.

import "./xsplice/load.spec";
import "./xsplice/elf_check.spec";
import "./xsplice/place.spec";
import "./xsplice/resolve.spec";
import "./xsplice/reloc.spec";
import "./xsplice/root.spec";
import "./xsplice/extable.spec";
import "./xsplice/signature.spec";
import "./xsplice/loader_mutation.spec";
