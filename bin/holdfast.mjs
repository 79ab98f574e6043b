#!/usr/bin/env node
import { launch } from './launch.mjs'

await launch({ entry: 'harness/cli/main', script: 'holdfast', program: import.meta.url })
