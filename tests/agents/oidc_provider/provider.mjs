// A certified OpenID provider on loopback: client credentials only, with JWT access tokens for a resource (RFC 8707).
// Reads its configuration as JSON from standard input, writes its issuer URL as the first line of standard output.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

const installed = createRequire(`${process.argv[2]}/`).resolve('oidc-provider')
const { Provider } = await import(pathToFileURL(installed))
const { port, algorithm, jwks, clients, scopes } = JSON.parse(await text(process.stdin))

const server = createServer()
server.listen(port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    jwks,
    clients: clients.map((client) => ({
      ...client,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: algorithm,
    })),
    scopes,
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: scopes.join(' '),
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: algorithm } },
        }),
      },
    },
  })
  server.on('request', provider.callback())
  console.log(issuer)
})
