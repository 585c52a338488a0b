// Three files with fixed names, relative to the page, so that the server can embed them and a proxy can move them.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    target: ["chrome123", "firefox128", "safari17.5"],
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rollupOptions: {
      output: {
        entryFileNames: "app.js",
        assetFileNames: "app[extname]",
        codeSplitting: false,
      },
    },
  },
  server: { proxy: { "/v1": "http://127.0.0.1:8080", "/health": "http://127.0.0.1:8080", "/props": "http://127.0.0.1:8080" } },
});
