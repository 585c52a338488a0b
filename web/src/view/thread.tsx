// The messages of the open conversation. Follows the end of a growing answer as long as the reader stays there.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { is_running } from "../state/answer";
import { current } from "../state/library";
import { Empty } from "./empty";
import { Down } from "./icons";
import { Answer, Question } from "./message";

const kNear = 48; // px from the end that count as the end

export function Thread() {
  const scroll = useRef<HTMLDivElement>(null);
  const column = useRef<HTMLDivElement>(null);
  const follow = useRef(true);
  const top = useRef(0);
  const [away, set_away] = useState(false);
  const conversation = current.value;
  const running = conversation ? is_running(conversation.id) : false;

  const to_end = () => {
    const box = scroll.current;
    if (box) box.scrollTop = box.scrollHeight;
  };
  useLayoutEffect(() => {
    follow.current = true;
    to_end();
  }, [conversation?.id, conversation?.messages.length]);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => {
      if (follow.current) to_end();
    });
    observer.observe(column.current!);
    observer.observe(scroll.current!);
    return () => observer.disconnect();
  }, []);
  // The text may have grown between a scroll and its event: only a move upwards is the reader's wish to stay.
  const on_scroll = () => {
    const { scrollHeight, scrollTop, clientHeight } = scroll.current!;
    const near = scrollHeight - scrollTop - clientHeight < kNear;
    if (near || scrollTop < top.current - 1) follow.current = near;
    top.current = scrollTop;
    set_away(!follow.current);
  };

  return (
    <div class="scroll" ref={scroll} onScroll={on_scroll}>
      <div class="column" ref={column} role="log" aria-live="polite" aria-label="Conversation">
        {conversation?.messages.map((message, index) => {
          const live = running && index === conversation.messages.length - 1;
          const View = message.role === "user" ? Question : Answer;
          return <View key={message.id} conversation={conversation.id} message={message} index={index} live={live} />;
        })}
        {conversation?.messages.length === 0 && <Empty />}
      </div>
      {away && running && (
        <button class="to-end" type="button" onClick={to_end}><Down /> To the end</button>
      )}
    </div>
  );
}
