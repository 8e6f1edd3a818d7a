// `npm start`: installs what is missing, builds, and continues a prompt with the small model of models/. What follows
// `npm start --` takes the place of the default command line of `ck`.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { buildDist, installPackages, requireNode, root } from './prepare.mjs'

requireNode()
installPackages()
if (buildDist() !== 0) process.exit(1)

const given = process.argv.slice(2)
const demo = ['run', join(root, 'models', 'demo.gguf'), '-p', 'First Citizen:', '-n', '120', '--echo', '--stats']
const parameters = [join(root, 'dist', 'ck', 'main.js'), ...(given.length > 0 ? given : demo)]
// Ctrl-C reaches ck as well; this process waits for it.
process.on('SIGINT', () => {})
const { status } = spawnSync(process.execPath, parameters, { stdio: 'inherit' })
process.exitCode = status ?? 1
