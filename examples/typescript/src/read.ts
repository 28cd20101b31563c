// Reads a feed as the crate feed-reader does: a value is only had with the verification and the age that the reader
// names. The layout is generated from ai-feed's interface; the rules here are the Rust reader's, and both are tested on
// the same golden vectors.
import type { Address, ReadonlyUint8Array } from "@solana/kit";
import { FEED_DISCRIMINATOR, getFeedDecoder, type Feed } from "./generated/accounts/feed";
import { AI_FEED_PROGRAM_ADDRESS } from "./generated/programs/aiFeed";
import type { Entry } from "./generated/types/entry";

/** The bits of a verification: what a value has passed. A reader asks for those that it requires, added together. */
export const Mask = {
  COMMITTEE: 1,
  OPTIMISTIC: 2,
  SOURCED: 4,
  ZK: 8,
  ORACLE: 16,
  TEE: 32,
} as const;

/** Why a feed gave no value, and the code of it, which the Rust reader shares. */
export const FEED_ERRORS = {
  LENGTH: [20_000, "this account is not as long as a feed: pass the feed's account"],
  DISCRIMINATOR: [20_001, "this account is not a feed: pass the feed's account"],
  VERSION: [20_002, "this feed's layout is newer than the reader: update the reader"],
  OWNER: [20_003, "this account is not owned by ai-feed: pass the feed's account"],
  ID: [20_004, "this is another feed: pass the account of the feed expected"],
  CORRUPT: [20_005, "this feed's history has impossible bounds: do not use it"],
  FROZEN: [20_010, "this feed is frozen: stop relying on it, or read what it had said with values"],
  NO_MASK: [20_011, "no verification was asked for: name the bits of Mask that you require"],
  NO_ENTRY: [20_012, "this feed has no value yet: wait for its first round"],
  NOT_VERIFIED: [20_013, "no value has the verification asked for: wait for the next round, or require less"],
  TOO_OLD: [20_014, "the newest value is too old: wait for the next round, or accept older ones"],
  IN_FUTURE: [20_015, "the newest value was captured after now: check the clock passed"],
} as const;

/** A feed gave no value. */
export class FeedError extends Error {
  readonly code: number;

  constructor(kind: keyof typeof FEED_ERRORS) {
    const [code, message] = FEED_ERRORS[kind];
    super(message);
    this.name = "FeedError";
    this.code = code;
  }
}

/** What a feed said in one round; `value`, `confidence` and `ema` are in units of ten to the power `exponent`. */
export type Value = Omit<Entry, "flags"> & { exponent: number; disputed: boolean };

/** What a reader accepts. */
export type Terms = {
  /** Unix seconds, by the cluster's clock. */
  now: bigint;
  /** Seconds that the newest capture may be old. */
  maxAge: number;
  /** Bits of `Mask` that the value must have passed. */
  minMask: number;
};

const VERSION = 1;
const ACTIVE = 0;
const DISPUTED = 1;

/** The feed with this id, from its account's owner and data. */
export function feedOfAccount(owner: Address, data: ReadonlyUint8Array, expectedId: ReadonlyUint8Array): Feed {
  if (owner !== AI_FEED_PROGRAM_ADDRESS) {
    throw new FeedError("OWNER");
  }
  const decoder = getFeedDecoder();
  if (data.length !== decoder.fixedSize) {
    throw new FeedError("LENGTH");
  }
  if (!same(data.slice(0, FEED_DISCRIMINATOR.length), FEED_DISCRIMINATOR)) {
    throw new FeedError("DISCRIMINATOR");
  }
  const feed = decoder.decode(data);
  if (feed.version !== VERSION) {
    throw new FeedError("VERSION");
  }
  if (feed.entries > feed.ring.length || feed.head >= feed.ring.length) {
    throw new FeedError("CORRUPT");
  }
  if (!same(Uint8Array.from(feed.id), expectedId)) {
    throw new FeedError("ID");
  }
  return feed;
}

/** The newest value that has the mask, undisputed, if it is young enough. Throws a `FeedError` otherwise. */
export function value(feed: Feed, terms: Terms): Value {
  if (feed.state !== ACTIVE) {
    throw new FeedError("FROZEN");
  }
  const [newest] = verified(feed, terms.minMask);
  if (newest === undefined) {
    throw new FeedError(feed.entries === 0 ? "NO_ENTRY" : "NOT_VERIFIED");
  }
  const wrong = ageError(newest, terms);
  if (wrong !== undefined) {
    throw new FeedError(wrong);
  }
  return newest;
}

/** Every value that `value` would have accepted as the newest, the newest first; of a frozen feed, those that it had
 * posted when it was frozen. */
export function values(feed: Feed, terms: Terms): Value[] {
  return verified(feed, terms.minMask).filter((value) => ageError(value, terms) === undefined);
}

/** The newest value, whatever stands behind it and however old it is: for display, never for decisions. */
export function newestValueUnverified(feed: Feed): Value {
  const [newest] = history(feed);
  if (newest === undefined) {
    throw new FeedError("NO_ENTRY");
  }
  return newest;
}

function verified(feed: Feed, minMask: number): Value[] {
  if (minMask === 0) {
    throw new FeedError("NO_MASK");
  }
  const stands = (value: Value) => feed.state === ACTIVE || value.postedAt <= feed.frozenAt;
  return history(feed).filter(
    (value) => (value.mask & minMask) === minMask && !value.disputed && stands(value),
  );
}

function history(feed: Feed): Value[] {
  const places = feed.ring.length;
  return Array.from({ length: feed.entries }, (_, age) => {
    const { flags, ...entry } = feed.ring[(feed.head + places - age) % places];
    return { ...entry, exponent: feed.exponent, disputed: (flags & DISPUTED) !== 0 };
  });
}

function ageError(value: Value, { now, maxAge }: Terms): "IN_FUTURE" | "TOO_OLD" | undefined {
  const captured = seconds(value.newestCapture);
  if (captured > now) {
    return "IN_FUTURE";
  }
  return now - captured > BigInt(maxAge) ? "TOO_OLD" : undefined;
}

/** Whole seconds of milliseconds, rounded down before 1970 too. */
function seconds(milliseconds: bigint): bigint {
  const rest = ((milliseconds % 1_000n) + 1_000n) % 1_000n;
  return (milliseconds - rest) / 1_000n;
}

function same(a: ReadonlyUint8Array, b: ReadonlyUint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
