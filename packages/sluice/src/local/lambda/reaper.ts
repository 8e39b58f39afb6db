import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Ends the sandboxes of a process that died without saying so. */
export interface Reaper {
  watch(pid: number): void
  /** To be called when the process has ended by itself: its number may be given to another one. */
  forget(pid: number): void
  close(): Promise<void>
}

const script = `
pids=' '
while read -r operation pid; do
  case $operation in
    watch) pids="$pids$pid " ;;
    forget) case $pids in *" $pid "*) pids="\${pids%%" $pid "*} \${pids#*" $pid "}" ;; esac ;;
  esac
done
for pid in $pids; do kill -KILL "$pid"; done 2>/dev/null
`

/**
 * A frozen process cannot notice that its parent is gone, and Node cannot act on its own SIGKILL: without help
 * a killed test run would leave stopped processes behind for good. A shell in a session of its own waits for
 * the end of its input, which the system closes however the parent died.
 */
export function startReaper(): Reaper {
  if (process.platform === 'win32') return { watch() {}, forget() {}, async close() {} }
  const shell = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  const exited = once(shell, 'exit')
  // A reaper that dies early is a safety net less, never a reason to fail.
  exited.catch(() => {})
  shell.stdin.on('error', () => {})
  shell.unref()
  return {
    watch: (pid) => void shell.stdin.write(`watch ${pid}\n`),
    forget: (pid) => void shell.stdin.write(`forget ${pid}\n`),
    async close() {
      shell.ref()
      shell.stdin.end()
      await exited.catch(() => {})
    },
  }
}
