// Starts Bluesky's own servers on loopback: PLC directory, PDS, bsync, AppView, Ozone. No outside network.
// Ports and Postgres come from the environment that start.sh sets. When every server answers, the URLs are
// written to READY_FILE; SIGTERM closes everything.
import fs from 'node:fs'
import { TestNetwork, mockMailer } from '@atproto/dev-env'

const env = (name) => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: start this through start.sh`)
  return value
}
const port = (name) => Number(env(name))

const network = await TestNetwork.create({
  plc: { port: port('PLC_PORT') },
  pds: { port: port('PDS_PORT'), hostname: 'localhost', enableDidDocWithSession: true },
  dbPostgresUrl: env('DB_POSTGRES_URL'),
  dbPostgresSchema: 'dev',
  bsky: {
    dbPostgresSchema: 'bsky',
    port: port('BSKY_PORT'),
    publicUrl: `http://localhost:${port('BSKY_PORT')}`,
  },
  ozone: {
    port: port('OZONE_PORT'),
    // Ozone wants a chat service by name; nothing here calls it.
    chatUrl: 'http://localhost:9',
    chatDid: 'did:example:chat',
  },
})
mockMailer(network.pds)

const ready = { plc: network.plc.url, pds: network.pds.url, appview: network.bsky.url }
// Renamed into place, so that a reader sees the whole file or none.
fs.writeFileSync(`${env('READY_FILE')}.part`, JSON.stringify(ready))
fs.renameSync(`${env('READY_FILE')}.part`, env('READY_FILE'))

let isClosing = false
const close = async () => {
  if (isClosing) return
  isClosing = true
  // A connection that does not end must not keep the lane from ending.
  setTimeout(() => process.exit(0), 8000).unref()
  await network.close()
  process.exit(0)
}
process.on('SIGTERM', close)
process.on('SIGINT', close)
