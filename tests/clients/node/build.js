// Builds the Dockerfile of a directory and prints what happens: node build.js DIRECTORY [TAG]
const { once } = require('events');
const { spawn } = require('child_process');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [directory = '.', ...tags] = process.argv.slice(2);
const address = process.env.ZLAYER_ADDRESS || 'unix:///run/zlayer/zlayerd.sock';
const protos = process.env.ZLAYER_PROTO || `${__dirname}/../../../proto`;
const { zlayer } = grpc.loadPackageDefinition(loader.loadSync('zlayer/v1/build.proto',
  { includeDirs: [protos], keepCase: true, longs: Number, enums: String, oneofs: true }));
const client = new zlayer.v1.BuildService(address, grpc.credentials.createInsecure());

async function upload(tar) {
  const call = client.UploadContext();
  const answer = once(call, 'data');
  call.write({ start: { tar: true } });
  for await (const data of tar) {
    if (!call.write({ tar: { data } })) await Promise.race([once(call, 'drain'), answer]);
  }
  call.end();
  return (await answer)[0].ready.context_id;
}

async function build() {
  const tar = spawn('tar', ['-C', directory, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const context = await upload(tar.stdout);
  let last = {};
  for await (last of client.Build({ spec: { tags, contexts: { '': { uploaded: context } } } })) {
    if (last.output) process.stdout.write(last.output.data);
    else console.log(last.sequence, last.event, JSON.stringify(last[last.event]));
  }
  if (!last.build_complete) process.exitCode = 1;
}

build().catch((error) => { console.error(error.details || error.message); process.exitCode = 1; })
  .finally(() => client.close());
