#!/usr/bin/env node
// The program `xen-xsplice`: hands the process's arguments, streams and environment to the command
// line and ends with its exit code.

import { runCli } from "./cli.js";
import { processIo } from "./streams.js";

process.exitCode = await runCli(process.argv.slice(2), processIo("xen-xsplice"));
