// Makes src/generated of ai-feed's published interface. Nothing of it is committed, so nothing of it goes stale.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rootNodeFromAnchor } from "@codama/nodes-from-anchor";
import { renderVisitor } from "@codama/renderers-js";
import { visit } from "@codama/visitors-core";

const idl = JSON.parse(readFileSync(new URL("../idls/ai_feed.json", import.meta.url), "utf8"));
const options = {
  generatedFolder: "src/generated",
  formatCode: false,
  // What a type is encoded from would be its name and Args, as ai-feed calls some of its own types.
  nameTransformers: { dataArgsType: (name, { pascalCase }) => `${pascalCase(name)}Input` },
  syncPackageJson: false,
};
await visit(rootNodeFromAnchor(idl), renderVisitor(fileURLToPath(new URL(".", import.meta.url)), options));
