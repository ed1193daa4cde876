
"use strict";
// Fetches this page every two seconds and puts its content in place of the old. What is shown stays when that fails,
// and the page says how old it is.
const EVERY = 2000, PATIENCE = 5000;
const stale = document.getElementById("stale");
let good = Date.now();

function show(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const next = page.querySelector("main"), now = document.querySelector("main");
  if (!next) throw new Error("not the stats page");
  // Somebody is about to copy something: leave it in place.
  if (String(getSelection()) === "") {
    const scrolled = [...now.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    now.replaceWith(next);
    next.querySelectorAll(".scroll").forEach((box, i) => { box.scrollLeft = scrolled[i] || 0; });
  }
  document.title = page.title;
}

function complain(why) {
  const seconds = Math.round((Date.now() - good) / 1000);
  const at = new Date(good).toISOString().slice(11, 19);
  stale.textContent = `Stale since ${at} UTC (${seconds}s): ${why}. Still trying.`;
  stale.hidden = false;
  document.body.classList.add("stale");
}

async function refresh() {
  try {
    const answer = await fetch("/stats", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`tidegate answered ${answer.status}`);
    show(await answer.text());
    good = Date.now();
    stale.hidden = true;
    document.body.classList.remove("stale");
  } catch (error) {
    complain(error.name === "TypeError" ? "tidegate cannot be reached" : error.message);
  }
  setTimeout(refresh, document.hidden ? EVERY * 5 : EVERY);
}
setTimeout(refresh, EVERY);
