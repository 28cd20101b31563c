// The reader against the golden vectors of crates/feed-reader.
import assert from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { getAddressDecoder } from "@solana/kit";
import { FeedError, feedOfAccount, newestValueUnverified, value, values, type Value } from "../src/read";

type Expected = Record<string, string | number>;
type Read = {
  name: string;
  account: string;
  owner: string;
  id: string;
  now: string;
  max_age: number;
  min_mask: number;
  value?: Expected;
  error?: number;
  rounds?: string[];
  newest?: [string, boolean];
};

const directory = join(__dirname, "../../../../crates/feed-reader/vectors");
const { reads } = JSON.parse(readFileSync(join(directory, "vectors.json"), "utf8")) as { reads: Read[] };

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

/** The value in the vectors' form. */
function shown(value: Value): Expected {
  const {
    round,
    exponent,
    confidence,
    ema,
    postedAt,
    oldestCapture,
    newestCapture,
    dataRoot,
    mask,
    attesters,
    streams,
    disputed,
  } = value;
  assert.equal(disputed, false);
  return {
    round: String(round),
    value: String(value.value),
    exponent,
    confidence: String(confidence),
    ema: String(ema),
    posted_at: String(postedAt),
    oldest_capture: String(oldestCapture),
    newest_capture: String(newestCapture),
    data_root: Buffer.from(dataRoot).toString("hex"),
    mask,
    attesters,
    streams,
  };
}

/** What is returned, or the code of the error thrown. */
function outcome<T>(read: () => T): T | number {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof FeedError, String(error));
    return error.code;
  }
}

assert.ok(reads.length > 30);
for (const read of reads) {
  test(`${read.account}: ${read.name}`, () => {
    const data = new Uint8Array(readFileSync(join(directory, read.account)));
    const owner = getAddressDecoder().decode(bytes(read.owner));
    const terms = { now: BigInt(read.now), maxAge: read.max_age, minMask: read.min_mask };
    const feed = outcome(() => feedOfAccount(owner, data, bytes(read.id)));
    if (typeof feed === "number") {
      assert.equal(feed, read.error);
      return;
    }
    assert.deepEqual(outcome(() => shown(value(feed, terms))), read.value ?? read.error);
    const rounds = outcome(() => values(feed, terms).map((value) => String(value.round)));
    assert.deepEqual(rounds, read.rounds ?? read.error);
    if (read.newest !== undefined) {
      const newest = newestValueUnverified(feed);
      assert.deepEqual([String(newest.round), newest.disputed], read.newest);
    }
  });
}
