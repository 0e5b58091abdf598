import { describe, expect, it } from 'vitest';
import { clientProfile } from './index.ts';
import { chromium, firefox, gstreamer } from './sdp.test-support.ts';

describe('what a client needs, read from its SDP', () => {
  it('most take sections over, restart ICE, check consent and ask for key frames', () => {
    const needs = {
      name: 'standard',
      recyclesSections: true,
      restartsIce: true,
      checksConsent: true,
      givesFeedback: true,
    };
    expect(clientProfile(chromium('05-probe-recvonly'))).toEqual(needs);
    expect(clientProfile(firefox('02-av-sendonly'))).toEqual(needs);
  });

  it('webrtcbin does none of it: its silence must not end the call', () => {
    const needs = {
      name: 'grow',
      recyclesSections: false,
      restartsIce: false,
      checksConsent: false,
      givesFeedback: false,
    };
    expect(clientProfile(gstreamer('05-probe-recvonly'))).toEqual(needs);
    expect(clientProfile(gstreamer('02-av-sendonly'))).toEqual(needs);
  });
});
