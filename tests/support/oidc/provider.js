// A real OpenID Connect provider on loopback. usage: provider.js CONFIG.json
// It has sign-in and consent pages of its own, on which every password is right; who a name is says the configuration.
import { readFileSync } from "node:fs";
import { createServer as plain } from "node:http";
import { createServer as encrypted } from "node:https";
import Provider from "oidc-provider";

const { issuer, port, client, people, inIdToken, tls } = JSON.parse(readFileSync(process.argv[2]));

const provider = new Provider(issuer, {
  clients: [client],
  claims: { openid: ["sub"], profile: ["name", "preferred_username", "groups", "realm_access"], email: ["email"] },
  conformIdTokenClaims: !inIdToken,
  cookies: { keys: ["of a test"] },
  features: { devInteractions: { enabled: true } },
  pkce: { required: () => true },
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId, ...people[accountId] }) }),
});
const files = tls && { key: readFileSync(tls.key), cert: readFileSync(tls.cert) };
const server = tls ? encrypted(files, provider.callback()) : plain(provider.callback());
server.listen(port, "127.0.0.1", () => console.log("listening"));
