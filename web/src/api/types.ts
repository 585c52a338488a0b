// What the server sends and takes. Every field of an answer may be missing: older servers, other servers, proxies.

export interface Timings {
  prompt_n?: number;
  prompt_ms?: number;
  prompt_per_second?: number;
  predicted_n?: number;
  predicted_ms?: number;
  predicted_per_second?: number;
  draft_n?: number;
  draft_n_accepted?: number;
  drafted_per_position?: number[];
  accepted_per_position?: number[];
  cycles?: number;
  draft_ms?: number;
  verify_ms?: number;
}

export interface Usage {
  prompt_tokens?: number;
  completion_tokens?: number;
  total_tokens?: number;
}

export interface ErrorBody {
  message?: string;
  type?: string;
  param?: string | null;
  code?: string | number | null;
}

interface Piece {
  role?: string;
  content?: string | null;
  reasoning_content?: string | null;
  nextn?: { drafted?: boolean };
}

export interface ChatChunk {
  model?: string;
  choices?: {
    delta?: Piece;
    message?: Piece;
    nextn?: { drafted?: boolean };
    finish_reason?: string | null;
  }[];
  usage?: Usage | null;
  timings?: Timings;
  error?: ErrorBody | string;
}

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface ChatRequest {
  model?: string;
  messages: ChatMessage[];
  stream: true;
  stream_options: { include_usage: true };
  timings_per_token: true;
  temperature?: number;
  top_p?: number;
  top_k?: number;
  max_tokens?: number;
  seed?: number;
  chat_template_kwargs: { enable_thinking: boolean };
  speculative: { enabled: boolean };
}

export interface Props {
  model?: { name?: string; architecture?: string; n_ctx?: number; head?: unknown };
  default_generation_settings?: { temperature?: number; top_k?: number; top_p?: number; min_p?: number };
}
