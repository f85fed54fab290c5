// Texts, as a JSON list on stdin -> for each the scopes of its tokens, by the tokeniser of VS Code itself.
// Started by tests/merge_dsl/test_vscode.py with the folder of node_modules and the grammar's path.
const fs = require("fs");
const path = require("path");

const [modules, grammarPath] = process.argv.slice(2);
const oniguruma = require(path.join(modules, "vscode-oniguruma"));
const { INITIAL, Registry, parseRawGrammar } = require(path.join(modules, "vscode-textmate"));

async function main() {
  const wasm = path.join(modules, "vscode-oniguruma", "release", "onig.wasm");
  await oniguruma.loadWASM(fs.readFileSync(wasm).buffer);
  const registry = new Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => parseRawGrammar(fs.readFileSync(grammarPath, "utf8"), grammarPath),
  });
  const grammar = await registry.loadGrammar("source.awase");
  const texts = JSON.parse(fs.readFileSync(0, "utf8"));
  const found = texts.map((text) => {
    let stack = INITIAL;
    return text.split("\n").map((line) => {
      const result = grammar.tokenizeLine(line, stack);
      stack = result.ruleStack;
      return result.tokens.map((token) => [
        line.slice(token.startIndex, token.endIndex),
        token.scopes[token.scopes.length - 1],
      ]);
    });
  });
  process.stdout.write(JSON.stringify(found));
}

main();
