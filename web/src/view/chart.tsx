// Speed and acceptance over the time of one answer.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Sample } from "../state/samples";
import { dark_system } from "../state/layout";
import { settings } from "../state/settings";

const kHeight = 170;

function data_of(samples: Sample[]): uPlot.AlignedData {
  return [samples.map((p) => p.s), samples.map((p) => p.rate), samples.map((p) => (p.accepted === null ? null : p.accepted * 100))];
}

// Canvas knows no light-dark(): the colours are read from elements that have them.
function colour(root: HTMLElement, name: string): string {
  return getComputedStyle(root.querySelector(`.ink-${name}`)!).color;
}

function options(root: HTMLElement): uPlot.Options {
  const [speed, share, muted, line] = ["speed", "share", "muted", "line"].map((name) => colour(root, name)) as [string, string, string, string];
  const axis = { stroke: muted, font: "11px system-ui, sans-serif", ticks: { show: false } };
  const grid = { stroke: line, width: 1 };
  return {
    width: root.clientWidth,
    height: kHeight,
    padding: [8, 0, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: {
      x: { time: false },
      rate: { range: (_, __, max) => [0, Math.max(1, (max || 1) * 1.15)] },
      share: { range: [0, 100] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 24, gap: 4, space: 60, values: (_, ticks) => ticks.map((t) => `${t} s`) },
      { ...axis, grid, scale: "rate", size: 34, gap: 4, space: 34 },
      { ...axis, grid: { show: false }, scale: "share", side: 1, size: 40, gap: 4, space: 34, values: (_, ticks) => ticks.map((t) => `${t} %`) },
    ],
    series: [
      {},
      { scale: "rate", stroke: speed, width: 1.75, points: { show: false } },
      { scale: "share", stroke: share, width: 1.75, points: { show: false }, spanGaps: true },
    ],
  };
}

export function Chart({ samples }: { samples: Sample[] }) {
  const root = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const theme = settings.value.theme + dark_system.value;

  useLayoutEffect(() => {
    const made = new uPlot(options(root.current!), data_of(samples), root.current!);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: root.current!.clientWidth, height: kHeight }));
    observer.observe(root.current!);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [theme]);
  useEffect(() => plot.current?.setData(data_of(samples)), [samples]);

  const last = samples[samples.length - 1];
  const summary = last ? `Over ${last.s} seconds; at the end ${last.rate} tokens per second.` : "No numbers yet.";
  return (
    <figure class="chart">
      <figcaption>
        <span class="key speed">tokens per second</span>
        <span class="key share">accepted</span>
      </figcaption>
      <div ref={root} role="img" aria-label={`Chart of speed and acceptance. ${summary}`}>
        <i class="ink-speed" /><i class="ink-share" /><i class="ink-muted" /><i class="ink-line" />
      </div>
    </figure>
  );
}
