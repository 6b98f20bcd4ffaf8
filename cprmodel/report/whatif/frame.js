// What both pages to play with do with the frame: say what was ignored of a link, and show an answer and its notes.
const frame = (() => {
  const $ = (selector) => document.querySelector(selector);
  const element = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text, ...more });
  const decoded = (text) => {
    try { return decodeURIComponent(text.replaceAll("+", " ")); } catch { return text; }
  };
  const cut = (text) => (text.length > 60 ? `${text.slice(0, 57)}...` : text);
  const unread = (key, text, expected) => `${cut(key)} = "${cut(text)}": expected ${expected}`;
  const ignored = (lines) => {
    $("#ignored").hidden = !lines.length;
    $("#ignored").textContent = lines.length ? `Ignored in the link: ${lines.join("; ")}` : "";
  };

  // The recommendation and the notes; whether there is more to show.
  const show = (answer, notes) => {
    const failed = Boolean(answer.problem);
    $("#results").hidden = failed;
    $("#recommendation").classList.toggle("failed", failed);
    const said = failed ? answer.problem : answer.sentence;
    if ($("#sentence").textContent !== said) $("#sentence").textContent = said;
    $("#recommended").textContent = failed ? "No plan" : `Recommended: ${answer.recommended}`;
    if (failed) return false;
    $("#notes").replaceChildren(...notes.map((note) => element("li", note)));
    $("#notes-box").hidden = !notes.length;
    return true;
  };
  return { $, element, decoded, cut, unread, ignored, show };
})();
