// Starts `awase lsp` and hands it to the editor. All that is known of recipes is known there.
const { window, workspace } = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

async function activate(context) {
  const [command, ...args] = workspace.getConfiguration("awase").get("command");
  const run = { command, args, transport: TransportKind.stdio };
  client = new LanguageClient("awase", "awase", { run, debug: run }, {
    documentSelector: [{ language: "awase" }],
  });
  context.subscriptions.push(client);
  try {
    await client.start();
  } catch (error) {
    window.showWarningMessage(
      `\`${command}\` did not start (${error.message}). Run pip install "awase[lsp]", ` +
        "or name it in the setting awase.command."
    );
  }
}

function deactivate() {
  return client && client.stop();
}

module.exports = { activate, deactivate };
