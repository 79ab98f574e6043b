#!/usr/bin/env node
import { launch } from './launch.mjs'

await launch({ entry: 'harness/agent/main', script: 'holdfast-node', program: import.meta.url })
