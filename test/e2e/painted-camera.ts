/** How somebody in front of a painted camera looks. */
export interface Portrait {
  readonly skin: string;
  readonly shade: string;
  readonly hair: string;
  readonly haircut: 'bun' | 'short' | 'long';
  readonly beard: boolean;
  readonly glasses: boolean;
  readonly headset: boolean;
  readonly clothes: string;
  readonly collar: string;
  readonly room: 'shelves' | 'window' | 'plants';
  readonly wall: readonly [string, string];
  /** -1 looks left, 1 right. */
  readonly leans: number;
}

/**
 * Puts a painted person in a room in place of the camera. Runs in the page, before its scripts, so
 * it uses nothing from outside.
 */
export function paintCamera(portrait: Portrait): void {
  const WIDTH = 1280;
  const HEIGHT = 720;

  function layer(paint: (draw: CanvasRenderingContext2D) => void): HTMLCanvasElement {
    const canvas = document.createElement('canvas');
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    const draw = canvas.getContext('2d');
    if (draw) paint(draw);
    return canvas;
  }
  function gradient(draw: CanvasRenderingContext2D, from: number[], to: number[], ...colors: string[]): CanvasGradient {
    const [x0 = 0, y0 = 0] = from;
    const [x1 = 0, y1 = 0] = to;
    const made = draw.createLinearGradient(x0, y0, x1, y1);
    for (const [index, color] of colors.entries()) made.addColorStop(index / (colors.length - 1), color);
    return made;
  }
  function shape(draw: CanvasRenderingContext2D, fill: string | CanvasGradient, path: string): void {
    draw.fillStyle = fill;
    const outline = new Path2D(path);
    // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- a canvas, whose fill draws a path; not an array
    draw.fill(outline);
  }
  function oval(
    draw: CanvasRenderingContext2D,
    fill: string | CanvasGradient,
    [x, y, radiusX, radiusY, turn = 0]: [number, number, number, number, number?],
  ): void {
    draw.fillStyle = fill;
    draw.beginPath();
    draw.ellipse(x, y, radiusX, radiusY, turn, 0, 2 * Math.PI);
    draw.fill();
  }
  function box(draw: CanvasRenderingContext2D, fill: string, x: number, y: number, w: number, h: number, r = 4): void {
    draw.fillStyle = fill;
    draw.beginPath();
    draw.roundRect(x, y, w, h, r);
    draw.fill();
  }

  // ── The room ───────────────────────────────────────────────────────────────────────────────

  function shelves(draw: CanvasRenderingContext2D): void {
    const colors = ['#c8553d', '#f28f3b', '#588b8b', '#ffd5c2', '#2d4654', '#e9dcc9', '#7a9e7e', '#a44a3f', '#d9b26f'];
    for (const [row, y] of [150, 350, 550].entries()) {
      for (const [side, left] of [40, 830].entries()) {
        box(draw, '#7b5a3e', left - 20, y, 430, 18);
        let x = left;
        for (let book = 0; x < left + 350; book += 1) {
          const seed = (book * 7 + row * 13 + side * 5) % 11;
          if (seed === 4) {
            box(draw, '#f3ede2', x + 16, y - 62, 48, 62, 20);
            oval(draw, '#6f9d6a', [x + 40, y - 84, 44, 36]);
            x += 96;
            continue;
          }
          const height = 92 + seed * 5;
          box(
            draw,
            colors[(book * 4 + row * 2 + side) % colors.length] ?? '',
            x,
            y - height,
            22 + (seed % 4) * 5,
            height,
          );
          x += 28 + (seed % 4) * 5;
        }
      }
    }
  }
  function windowView(draw: CanvasRenderingContext2D): void {
    box(draw, '#f4f1ec', 700, 30, 520, 520, 8);
    draw.save();
    draw.beginPath();
    draw.rect(722, 52, 476, 476);
    draw.clip();
    draw.fillStyle = gradient(draw, [0, 52], [0, 528], '#8fb8de', '#d9e7f0', '#fbe3c4');
    draw.fillRect(722, 52, 476, 476);
    oval(draw, '#fff4d6', [1060, 330, 46, 46]);
    for (let tower = 0; tower < 12; tower += 1) {
      const height = 110 + ((tower * 67) % 150);
      box(draw, tower % 2 ? '#7f93ab' : '#93a5ba', 716 + tower * 42, 528 - height, 40, height, 2);
      for (let light = 0; light < height / 30 - 1; light += 1) {
        if ((tower + light) % 3) box(draw, '#fbe6b0', 726 + tower * 42, 540 - height + light * 30, 20, 8, 1);
      }
    }
    draw.restore();
    box(draw, '#f4f1ec', 952, 40, 16, 500, 2);
    box(draw, '#f4f1ec', 712, 280, 496, 14, 2);
    box(draw, '#e3ddd3', 680, 546, 560, 24);
    // A lamp, and a picture on the wall.
    box(draw, '#3d4b5c', 176, 250, 10, 470);
    shape(draw, '#f6e3bd', 'M 100 250 L 136 120 L 226 120 L 262 250 Z');
    box(draw, '#fffaf0', 340, 110, 190, 140, 4);
    oval(draw, '#e6a57e', [410, 180, 40, 40]);
    shape(draw, '#5f8a8b', 'M 350 240 L 420 180 L 470 215 L 520 170 L 520 240 Z');
  }
  function plants(draw: CanvasRenderingContext2D): void {
    for (const [x, y, w, h, color] of [
      [120, 90, 180, 230, '#d98e73'],
      [330, 130, 130, 160, '#e8c07d'],
      [960, 100, 210, 150, '#7d9ba8'],
    ] as const) {
      box(draw, '#fdf8f0', x, y, w, h, 4);
      box(draw, color, x + 18, y + 18, w - 36, h - 36, 2);
      oval(draw, '#fdf8f0aa', [x + w / 2, y + h / 2, w / 5, w / 5]);
    }
    for (const [x, y, size] of [
      [1090, 690, 1.35],
      [110, 720, 1],
    ] as const) {
      for (let leaf = -4; leaf <= 4; leaf += 1) {
        draw.save();
        draw.translate(x, y - 120 * size);
        draw.rotate(leaf * 0.26);
        draw.scale(size, size);
        const green = leaf % 2 ? '#4f7f5b' : '#6b9f71';
        shape(draw, green, 'M 0 0 C 46 -90 40 -190 0 -250 C -40 -190 -46 -90 0 0 Z');
        draw.restore();
      }
      box(draw, '#e9e2d6', x - 62 * size, y - 130 * size, 124 * size, 150 * size, 22);
    }
    box(draw, '#b98a5f', 760, 480, 330, 18);
    box(draw, '#fdf8f0', 800, 400, 60, 80, 10);
    box(draw, '#55707d', 880, 380, 26, 100);
    box(draw, '#d98e73', 912, 366, 30, 114);
    box(draw, '#e8c07d', 948, 388, 24, 92);
  }

  const scenery = { shelves, window: windowView, plants };
  const room = layer((draw) => {
    const sharp = layer((into) => {
      into.fillStyle = gradient(into, [0, 0], [WIDTH, HEIGHT], ...portrait.wall);
      into.fillRect(0, 0, WIDTH, HEIGHT);
      scenery[portrait.room](into);
    });
    // Out of focus, as behind a person close to the lens.
    draw.filter = 'blur(7px)';
    draw.drawImage(sharp, -14, -8, WIDTH + 28, HEIGHT + 16);
  });

  // ── The person ─────────────────────────────────────────────────────────────────────────────

  const { skin, shade, hair, clothes, collar, leans } = portrait;

  function hairBehind(draw: CanvasRenderingContext2D): void {
    if (portrait.haircut === 'bun') oval(draw, hair, [640 + leans * 12, 92, 66, 60]);
    if (portrait.haircut === 'long') {
      shape(
        draw,
        hair,
        'M 496 290 C 486 120 794 120 784 290 C 800 400 812 480 790 560 L 490 560 C 468 480 480 400 496 290 Z',
      );
    }
  }
  function body(draw: CanvasRenderingContext2D): void {
    const cloth = gradient(draw, [360, 500], [920, 720], clothes, collar);
    shape(
      draw,
      cloth,
      'M 330 730 C 336 610 420 566 530 540 C 575 528 590 516 596 500 L 684 500 C 690 516 705 528 750 540 C 860 566 944 610 950 730 Z',
    );
    const neck = gradient(draw, [640, 450], [640, 550], shade, skin);
    shape(
      draw,
      neck,
      'M 578 420 L 702 420 C 700 470 700 500 704 524 C 696 566 584 566 576 524 C 580 500 580 470 578 420 Z',
    );
    if (portrait.beard) {
      shape(draw, '#ffffffee', 'M 570 512 L 640 604 L 550 596 Z M 710 512 L 640 604 L 730 596 Z');
    } else {
      draw.strokeStyle = collar;
      draw.lineWidth = 16;
      draw.stroke(new Path2D('M 568 526 C 596 596 684 596 712 526'));
    }
  }
  function head(draw: CanvasRenderingContext2D): void {
    oval(draw, shade, [528, 318, 22, 34]);
    oval(draw, shade, [752, 318, 22, 34]);
    const face = gradient(draw, [530, 200], [760, 440], skin, skin, shade);
    shape(draw, face, 'M 528 280 C 526 170 754 170 752 280 C 756 380 724 470 640 470 C 556 470 524 380 528 280 Z');
    if (portrait.beard) {
      shape(
        draw,
        hair,
        'M 527 300 C 532 420 560 486 640 488 C 720 486 748 420 753 300 C 744 350 728 376 700 378 C 664 366 616 366 580 378 C 552 376 536 350 527 300 Z',
      );
    }
    oval(draw, '#e8735a33', [566 + leans * 4, 366, 30, 20]);
    oval(draw, '#e8735a33', [714 + leans * 4, 366, 30, 20]);
  }
  function hairFront(draw: CanvasRenderingContext2D): void {
    if (portrait.haircut === 'short') {
      shape(
        draw,
        hair,
        'M 522 300 C 506 130 600 118 660 124 C 770 128 776 220 758 300 C 752 250 736 226 706 214 C 650 226 580 222 560 212 C 538 236 530 262 522 300 Z',
      );
    } else if (portrait.haircut === 'bun') {
      shape(
        draw,
        hair,
        'M 520 310 C 500 130 590 110 640 110 C 690 110 780 130 760 310 C 752 240 724 190 640 186 C 556 190 528 240 520 310 Z',
      );
    } else {
      shape(
        draw,
        hair,
        'M 500 400 C 480 150 580 112 640 112 C 720 112 800 160 780 400 C 764 300 752 238 690 190 C 640 240 560 236 532 280 C 514 320 510 360 500 400 Z',
      );
    }
  }
  function features(draw: CanvasRenderingContext2D, { blink, talk }: { blink: boolean; talk: number }): void {
    const look = leans * 6;
    for (const x of [588, 692]) {
      draw.strokeStyle = hair;
      draw.lineWidth = 9;
      draw.lineCap = 'round';
      draw.stroke(new Path2D(`M ${x - 24 + look} 268 Q ${x + look} 254 ${x + 24 + look} 268`));
      if (blink) {
        draw.strokeStyle = '#33241c';
        draw.lineWidth = 5;
        draw.stroke(new Path2D(`M ${x - 16 + look} 306 Q ${x + look} 314 ${x + 16 + look} 306`));
      } else {
        oval(draw, '#fffdf9', [x + look, 305, 19, 14]);
        oval(draw, '#3b2a20', [x + look * 1.6, 305, 10.5, 12]);
        oval(draw, '#ffffff', [x + look * 1.6 + 4, 300, 3.5, 3.5]);
      }
    }
    draw.strokeStyle = shade;
    draw.lineWidth = 7;
    draw.stroke(new Path2D(`M ${642 + look} 316 Q ${656 + look} 356 ${634 + look} 360`));
    shape(
      draw,
      '#8f3f3a',
      `M ${594 + look} 398 Q ${640 + look} 416 ${686 + look} 398 Q ${640 + look} ${442 + talk * 16} ${594 + look} 398 Z`,
    );
    shape(
      draw,
      '#ffffff',
      `M ${604 + look} 402 Q ${640 + look} 414 ${676 + look} 402 Q ${640 + look} 424 ${604 + look} 402 Z`,
    );
    if (portrait.glasses) {
      draw.strokeStyle = '#2b2f36';
      draw.lineWidth = 7;
      draw.stroke(new Path2D('M 528 296 L 552 300 M 752 296 L 728 300 M 628 302 Q 640 294 652 302'));
      for (const x of [552, 652]) {
        draw.beginPath();
        draw.roundRect(x, 278, 76, 58, 22);
        draw.fillStyle = '#ffffff22';
        draw.fill();
        draw.stroke();
      }
    }
    if (portrait.headset) {
      draw.strokeStyle = '#2b3440';
      draw.lineWidth = 15;
      draw.stroke(new Path2D('M 516 300 C 500 80 780 80 764 300'));
      box(draw, '#2b3440', 494, 276, 40, 88, 18);
      box(draw, '#2b3440', 746, 276, 40, 88, 18);
      draw.lineWidth = 7;
      draw.stroke(new Path2D('M 514 360 C 520 420 556 436 590 434'));
      oval(draw, '#2b3440', [596, 433, 14, 9]);
    }
  }

  const still = layer((draw) => {
    draw.shadowColor = '#1b120c66';
    draw.shadowBlur = 46;
    hairBehind(draw);
    body(draw);
    draw.shadowBlur = 0;
    // The chin's shadow on the neck.
    draw.save();
    draw.filter = 'blur(10px)';
    oval(draw, '#00000030', [640, 474, 66, 24]);
    draw.restore();
    head(draw);
    hairFront(draw);
  });
  const light = layer((draw) => {
    draw.fillStyle = gradient(draw, [0, 0], [WIDTH, HEIGHT], '#fff3df38', '#ffffff00', '#141a3338');
    draw.fillRect(0, 0, WIDTH, HEIGHT);
  });

  const camera = layer(() => undefined);
  const draw = camera.getContext('2d');
  const begin = performance.now() + leans * 700;
  setInterval(() => {
    if (!draw) return;
    const time = (performance.now() - begin) / 1000;
    draw.drawImage(room, 0, 0);
    draw.save();
    draw.translate(leans * -70 + Math.sin(time * 0.9) * 5, 34 + Math.sin(time * 1.7) * 3);
    draw.translate(640, 720);
    draw.rotate(Math.sin(time * 0.6) * 0.008 + leans * 0.012);
    draw.scale(1.06, 1.06);
    draw.translate(-640, -720);
    draw.drawImage(still, 0, 0);
    features(draw, { blink: time % 4 < 0.12, talk: Math.max(0, Math.sin(time * 5)) });
    draw.restore();
    draw.drawImage(light, 0, 0);
  }, 1000 / 15);

  const devices = navigator.mediaDevices;
  const getUserMedia = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (constraints) => {
    const { video = false, ...others } = constraints ?? {};
    const stream = others.audio ? await getUserMedia(others) : new MediaStream();
    for (const track of video ? camera.captureStream(15).getVideoTracks() : []) stream.addTrack(track);
    return stream;
  };
}
