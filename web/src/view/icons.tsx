// The page's icons: strokes on a grid of 20.
import type { JSX } from "preact";

function Icon({ children }: { children: JSX.Element | JSX.Element[] }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" width="18" height="18" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      {children}
    </svg>
  );
}

export const Menu = () => <Icon><path d="M3.5 6h13M3.5 10h13M3.5 14h13" /></Icon>;
export const Plus = () => <Icon><path d="M10 4v12M4 10h12" /></Icon>;
export const Close = () => <Icon><path d="m5 5 10 10M15 5 5 15" /></Icon>;
export const Send = () => <Icon><path d="M10 16V4.5M5 9l5-5 5 5" /></Icon>;
export const Stop = () => <Icon><rect x="5.5" y="5.5" width="9" height="9" rx="1.5" fill="currentColor" stroke="none" /></Icon>;
export const Copy = () => <Icon><rect x="7" y="7" width="9.5" height="9.5" rx="2" /><path d="M13 4.5A1.5 1.5 0 0 0 11.5 3.5H5A1.5 1.5 0 0 0 3.5 5v6.5A1.5 1.5 0 0 0 4.5 13" /></Icon>;
export const Again = () => <Icon><path d="M16 10a6 6 0 1 1-1.8-4.3L16 7.5" /><path d="M16 3.5v4h-4" /></Icon>;
export const Edit = () => <Icon><path d="m4 16 .7-3.2L13.3 4.2a1.4 1.4 0 0 1 2 0l.5.5a1.4 1.4 0 0 1 0 2L7.2 15.3Z" /></Icon>;
export const Trash = () => <Icon><path d="M4 5.5h12M8 5.5V4h4v1.5M5.5 5.5 6.2 16h7.6l.7-10.5" /></Icon>;
export const Export = () => <Icon><path d="M10 3.5v9M6.5 9l3.5 3.5L13.5 9M4 16h12" /></Icon>;
export const Gear = () => <Icon><path d="M4 6h5M13 6h3M4 14h3M11 14h5" /><circle cx="11" cy="6" r="1.9" /><circle cx="9" cy="14" r="1.9" /></Icon>;
export const Meter = () => <Icon><path d="M3.5 14.5 7.5 9l3.5 3 5.5-7.5" /></Icon>;
export const Down = () => <Icon><path d="M10 4v11.5M5 11l5 5 5-5" /></Icon>;
