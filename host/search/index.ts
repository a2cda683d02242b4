// The search's part of the library (host/index.ts).

export type { Failure, Progress, Step } from "./explorer.js";
export { type Choice, formatSchedule, parseSchedule, type Schedule } from "./schedule.js";
export type { Action } from "./scripts.js";
export { replay, type SearchOptions, type SearchResult, search } from "./search.js";
