import { fork } from "node:child_process";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createLogger, createMetrics, sleep } from "@taskscheduler/runtime";
import { createScheduler } from "@taskscheduler/scheduler";
import { ScriptedApi } from "./tmp-peer.js";
if (process.argv[2] === "peer") {
  const api = new ScriptedApi();
  await api.start(); setInterval(()=>{ if(api.streams.length) api.window(); },1000);
  process.send!({ address: api.address });
  process.on("message", (m: any) => {
    if (m.due) {
      const { count, at, spread } = m.due; const start=api.reports.length;
      for (let i = 0; i < count; i += 2000) api.due(...Array.from({ length: Math.min(2000,count-i) }, (_, j) => ({ taskId: i + j + 1, scheduledTimeMs: at + (spread ? Math.floor(((i+j)*7919)%spread) : 0) })));
      const t = setInterval(() => { if (api.reports.length - start >= count) { clearInterval(t);
        const r = api.reports.slice(start); const l = r.map(({ report }) => Number(report.startTimeMs - report.scheduledTimeMs)).sort((a, b) => a - b);
        process.send!({ done: { n: l.length, min: l[0], p50: l[l.length>>1], p99: l[Math.floor(l.length * .99)], max: l.at(-1), calls: api.claims.length, reportedAfter: Math.max(...r.map(x=>x.receivedMs))-at } }); } }, 5);
    }
  });
} else {
  const child = fork(process.argv[1]!, ["peer"], { execArgv: process.execArgv });
  const wait = (k: string) => new Promise<any>((res) => { const f = (m: any) => { if (m[k]) { child.off("message", f); res(m[k]); } }; child.on("message", f); });
  const address = await wait("address");
  const s = createScheduler({ apiAddress: address, schedulerId: "b", maxConcurrency: 256, logger: createLogger({ name: "s", level: "warn" }), registry: createMetrics().registry });
  await s.start(new AbortController().signal);
  while (!s.isReady()) await sleep(5);
  for (const [count, ahead, spread] of [[20000, 4000, 0], [40000, 3000, 4000], [200000, 4000, 60000]] as const) {
    const h = monitorEventLoopDelay({ resolution: 1 }); h.enable();
    let worst=0, last=performance.now(); const iv=setInterval(()=>{const n=performance.now(); worst=Math.max(worst,n-last-2); last=n},2);
    const c0 = process.cpuUsage(); const t0 = Date.now();
    child.send({ due: { count, at: Date.now() + ahead, spread } });
    const d = await wait("done");
    const c = process.cpuUsage(c0); clearInterval(iv); h.disable();
    console.log(JSON.stringify({ count, spread, ...d, cpuUsPerRun: +((c.user + c.system) / count).toFixed(1), loopMaxMs: +(h.max / 1e6).toFixed(1), loopP99: +(h.percentile(99.9) / 1e6).toFixed(1), rssMb: Math.round(process.memoryUsage().rss / 1e6), took: Date.now() - t0 }));
    await sleep(300);
  }
  await s.stop(AbortSignal.timeout(3000));
  child.kill(); process.exit(0);
}
