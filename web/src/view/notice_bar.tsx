import { hide_notice, notice, spoken } from "../state/notice";

export function NoticeBar() {
  const value = notice.value;
  return (
    <>
      <div class="notices" role="status">
        {value && (
          <div class="notice">
            <span>{value.text}</span>
            {value.undo && <button class="link" type="button" onClick={() => { hide_notice(); value.undo!(); }}>Undo</button>}
          </div>
        )}
      </div>
      <div class="unseen" role="status">{spoken.value}</div>
    </>
  );
}
