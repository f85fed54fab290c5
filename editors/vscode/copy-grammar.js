// An extension may only name files inside itself; the grammar and the licence live once, above it.
const fs = require("fs");
const path = require("path");

const root = path.join(__dirname, "..", "..");
const name = "recipe.tmLanguage.json";
fs.mkdirSync(path.join(__dirname, "syntaxes"), { recursive: true });
fs.copyFileSync(path.join(root, "grammars", name), path.join(__dirname, "syntaxes", name));
fs.copyFileSync(path.join(root, "LICENSE"), path.join(__dirname, "LICENSE"));
