"use strict";

// NiiVue and the volumes lie in this page, packed by gzip and written as base64; they are unpacked when asked for.
(() => {
  const viewer = document.getElementById("viewer");
  const status = viewer.querySelector(".status");

  async function unpack(element) {
    const packed = Uint8Array.from(atob(element.textContent.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  async function loadNiiVue() {
    const code = await unpack(document.getElementById("niivue"));
    const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    try {
      return await import(address);
    } finally {
      URL.revokeObjectURL(address);
    }
  }

  async function start() {
    viewer.querySelector(".start").hidden = true;
    status.textContent = "Unpacking…";
    const { Niivue, NVImage } = await loadNiiVue();
    const volumes = new Map();
    for (const element of viewer.querySelectorAll("script.volume")) volumes.set(element.dataset.label, element);
    viewer.querySelector(".stage").hidden = false;
    const panes = [];
    for (const element of viewer.querySelectorAll(".pane")) {
      const niivue = new Niivue({
        logLevel: "error", isRadiologicalConvention: true, sagittalNoseLeft: true, dragAndDropEnabled: false,
        crosshairColor: [0.95, 0.65, 0.1, 0.8], crosshairWidth: 0.3, crosshairWidthUnit: "percent", backColor: [0, 0, 0, 1],
        multiplanarShowRender: 0,
        onLocationChange: (location) => { element.querySelector("output").textContent = describe(location); },
      });
      await niivue.attachToCanvas(element.querySelector("canvas"));
      panes.push({ niivue, choice: element.querySelector("select") });
    }
    const describe = (location) => {
      const [x, y, z] = location.mm;
      return `x ${x.toFixed(0)}, y ${y.toFixed(0)}, z ${z.toFixed(0)} mm · ${(100 * location.values[0].value / 255).toFixed(0)} % of white`;
    };
    async function show({ niivue, choice }) {
      const file = await unpack(volumes.get(choice.value));
      const image = await NVImage.loadFromUrl({
        url: new Uint8Array(file), name: `${choice.value}.nii`, colormap: "gray", cal_min: 0, cal_max: 255,
      });
      while (niivue.volumes.length) niivue.removeVolumeByIndex(0);
      niivue.addVolume(image);
    }
    for (const pane of panes) {
      await show(pane);
      pane.choice.addEventListener("change", () => show(pane));
      pane.niivue.broadcastTo(panes.filter((other) => other !== pane).map((other) => other.niivue), {
        "2d": true, "3d": true, zoomPan: true,
      });
    }
    viewer.querySelector(".view").addEventListener("change", (event) => {
      panes.forEach(({ niivue }) => niivue.setSliceType(Number(event.target.value)));
    });
    status.textContent = "";
    viewer.dataset.ready = "yes";
  }

  viewer.querySelector(".start").addEventListener("click", () => start().catch((error) => {
    status.textContent = `The viewer could not start in this browser (${error.message}). The figures below show the same images.`;
  }));
})();
