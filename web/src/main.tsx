import { render } from "preact";
import { is_running } from "./state/answer";
import { follow_tabs, load } from "./state/library";
import { check_server } from "./state/server";
import "./style/base.css";
import "./style/layout.css";
import "./style/controls.css";
import "./style/message.css";
import "./style/prose.css";
import "./style/meter.css";
import "./style/settings.css";
import { Page } from "./view/page";

render(<Page />, document.getElementById("app")!);
void load();
check_server();
follow_tabs(is_running);
