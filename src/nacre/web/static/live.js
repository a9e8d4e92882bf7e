// Hears from the server when the page would show something else, asks for it again, and replaces the parts that differ.

const policy = window.trustedTypes?.createPolicy("nacre-page", { createHTML: (text) => text });

/** @param {string} text A whole page from our own server, which escapes whatever comes from a store. */
function parse(text) {
  return new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
}

/** Names the element that has the focus within a part, so that it can have it again. */
function focusIn(part) {
  const focused = document.activeElement;
  if (!focused || !part.contains(focused)) return () => {};
  const href = focused.getAttribute("href");
  const label = focused.getAttribute("aria-label");
  return (fresh) => {
    const same = [...fresh.querySelectorAll("a, [tabindex]")].find((each) =>
      href ? each.getAttribute("href") === href : each.getAttribute("aria-label") === label);
    same?.focus({ preventScroll: true });
  };
}

function replace(fresh) {
  const place = document.getElementById("main");
  const parts = fresh.getElementById("main");
  const ids = (root) => [...root.querySelectorAll("[data-part]")].map((part) => part.id).join();
  if (ids(place) !== ids(parts)) {
    place.replaceChildren(...parts.childNodes);
  } else {
    for (const part of parts.querySelectorAll("[data-part]")) {
      const old = document.getElementById(part.id);
      if (old.innerHTML === part.innerHTML) continue;
      const scrolled = [...old.querySelectorAll(".figure, .scroll")].map((each) => each.scrollLeft);
      const focus = focusIn(old);
      old.replaceWith(part);
      part.querySelectorAll(".figure, .scroll").forEach((each, i) => { each.scrollLeft = scrolled[i] ?? 0; });
      focus(part);
    }
  }
  const heading = (root) => root.querySelector("h1")?.firstChild?.textContent.trim();
  if (document.title !== fresh.title) document.getElementById("said").textContent = heading(fresh) ?? fresh.title;
  document.title = fresh.title;
  document.body.dataset.mark = fresh.body.dataset.mark;
}

export function watch() {
  const paused = document.getElementById("live");
  if (!paused || !window.EventSource) return;
  let source = null;
  let isAsking = false;
  let isMissed = false;

  async function ask() {
    if (isAsking) { isMissed = true; return; }
    isAsking = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.headers.get("content-type")?.startsWith("text/html")) throw new Error(answer.statusText);
      replace(parse(await answer.text()));
    } catch {
      paused.hidden = false;
    }
    isAsking = false;
    if (isMissed) { isMissed = false; ask(); }
  }

  function open() {
    if (source) return;
    source = new EventSource(`/live?since=${encodeURIComponent(document.body.dataset.mark)}`);
    source.addEventListener("changed", ask);
    source.addEventListener("open", () => { paused.hidden = true; });
    source.addEventListener("error", () => { paused.hidden = false; });
  }

  // A browser holds six connections to a server: pages that nobody looks at give theirs back.
  function settle() {
    if (document.visibilityState === "visible") return open();
    source?.close();
    source = null;
  }
  document.addEventListener("visibilitychange", settle);
  window.addEventListener("pagehide", () => { source?.close(); source = null; });
  settle();
}
